"""What is computed: networks, golden inference, mapping onto arrays, memory images. numpy only."""
