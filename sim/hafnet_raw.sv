// A source of raw random bits at a port: xorshift32 (Marsaglia 2003) from `SEED` (not 0), a step for each bit taken; a
// reset lets it begin anew, so that the bits of a pass do not depend on what was taken before.
// For simulation only; sim/raw.py knows its bits.
module hafnet_raw #(
    parameter SEED = 1
) (
    input  wire clk,
    input  wire rst,
    input  wire ready,
    output wire bit_out
);
    reg [31:0] state, a, b;

    initial state = SEED;
    assign bit_out = state[31];

    always @(posedge clk)
        if (rst) state <= SEED;
        else if (ready) begin
            a = state ^ (state << 13);
            b = a ^ (a >> 17);
            state <= b ^ (b << 5);
        end
endmodule
