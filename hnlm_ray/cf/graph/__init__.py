"""Propagation over users and items, graph views, NGCF's layers, the graph of items."""
