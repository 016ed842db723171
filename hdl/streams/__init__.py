"""Words on their way: packets, widths, buffers, the bus."""
