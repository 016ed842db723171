// Random bits, the same for the same seed: xorshift32 (Marsaglia 2003), one step a cycle. For simulation only.
// `hit` is high in any one cycle with a chance of `chance` / 256; `start` takes `seed`, which must not be 0.
module hafnet_noise (
    input  wire        clk,
    input  wire        start,
    input  wire [31:0] seed,
    input  wire [8:0]  chance,
    output wire        hit
);
    reg [31:0] state, a, b;

    initial state = 1;
    assign hit = {1'b0, state[15:8]} < chance;

    always @(posedge clk) begin
        a = state ^ (state << 13);
        b = a ^ (a >> 17);
        state <= start ? seed : b ^ (b << 5);
    end
endmodule
