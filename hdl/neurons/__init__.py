"""The arithmetic of a neuron: popcount, sums over reads, threshold; and what it is made of on an FPGA."""
