"""Layers: neurons with their arrays in both dataflows, windows, pooling, and the ranking of classes."""
