"""How it is computed: Amaranth blocks that know geometry and never weights."""
