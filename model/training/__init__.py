"""Training of binarized networks in PyTorch."""
