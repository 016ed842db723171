// A source of raw random bits at a port: xorshift32 (Marsaglia 2003) from `SEED` (not 0), a step for each bit taken.
// For simulation only; sim/raw.py knows its bits.
module hafnet_raw #(
    parameter SEED = 1
) (
    input  wire clk,
    input  wire ready,
    output wire bit_out
);
    reg [31:0] state, a, b;

    initial state = SEED;
    assign bit_out = state[31];

    always @(posedge clk)
        if (ready) begin
            a = state ^ (state << 13);
            b = a ^ (a >> 17);
            state <= b ^ (b << 5);
        end
endmodule
