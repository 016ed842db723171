"""What `hafnet verify` sees of random defects in generated Verilog: see benchmarks/mutant_campaign.py."""

from mutant_campaign import main

if __name__ == "__main__":
    main()
