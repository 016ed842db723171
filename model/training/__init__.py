"""Training of binarized networks in PyTorch. The only place in the project that imports torch."""
