"""Whether they agree: cocotb benches on Icarus and Verilator."""
