"""The semantic teacher, the fusion of two models, and the text affinity that they need."""
