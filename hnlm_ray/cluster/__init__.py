"""Starting or joining Ray, keeping it quiet, ending what a killed run left."""
