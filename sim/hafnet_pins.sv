// Watches the pin `idle` over an accelerator's streams, and that the pins of programming rest. For simulation only.
// `busy_idle` rises where `idle` is high in the cycle after a reset, or after one in which a packet came, or an image was
// under way whose result has not left; `disturbed`, where `irq` or `amplitude` is not 0. Both are sticky from `start` on.
module hafnet_pins #(
    parameter BEATS = 1  // of a packet of right length; others are dropped
) (
    input  wire       clk,
    input  wire       rst,
    input  wire       start,
    input  wire       s_valid,
    input  wire       s_ready,
    input  wire       s_last,
    input  wire       m_valid,
    input  wire       m_ready,
    input  wire       m_last,
    input  wire       idle,
    input  wire       irq,
    input  wire [7:0] amplitude,
    output reg        busy_idle,
    output reg        disturbed
);
    reg [31:0] beat, under_way;
    reg begun, was_busy, was_reset;
    wire taken = s_valid && s_ready;
    wire comes = taken && s_last && beat == BEATS - 1;
    wire leaves = m_valid && m_ready && m_last;
    wire busy = s_valid || begun || under_way != 0;

    initial begin
        busy_idle = 0;
        disturbed = 0;
        beat = 0;
        under_way = 0;
        begun = 0;
        was_busy = 0;
        was_reset = 0;
    end

    always @(posedge clk) was_reset <= rst;

    always @(posedge clk)
        if (rst) begin
            beat <= 0;
            under_way <= 0;
            begun <= 0;
            was_busy <= 0;
        end else begin
            if (taken) begin
                begun <= !s_last;
                beat <= s_last ? 0 : beat + 1;
            end
            under_way <= under_way + {31'b0, comes} - {31'b0, leaves};
            was_busy <= busy;
            if (start) busy_idle <= 0;
            else if ((was_busy || was_reset) && idle !== 1'b0) busy_idle <= 1;
            if (start) disturbed <= 0;
            else if (irq !== 1'b0 || amplitude !== 8'b0) disturbed <= 1;
        end
endmodule
