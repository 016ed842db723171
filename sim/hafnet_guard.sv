// Watches the lines that a controller gives to its arrays (hdl/arrays/controller.py). For simulation only.
// `unsafe` rises, and stays high, where `hv` and `sen` are high together, `hv` is high for more than LONGEST cycles, or
// low for less than two before it rises again, or high in the cycle after one without `supply_ok`, where more than
// AT_ONCE bits of `mask` are 1 then, or where another line moves while `hv` is high, in the cycle before, or in the one
// after. `cycles` are those in which `hv` was high, `pulses` how often it has risen.
module hafnet_guard #(
    parameter LINES = 1,
    parameter COLUMNS = 1,
    parameter LONGEST = 1,
    parameter AT_ONCE = 1
) (
    input  wire               clk,
    input  wire               rst,
    input  wire               supply_ok,
    input  wire               hv,
    input  wire               sen,
    input  wire [LINES-1:0]   lines,
    input  wire [COLUMNS-1:0] mask,
    output reg                unsafe,
    output reg  [31:0]        cycles,
    output reg  [31:0]        pulses
);
    reg begun, was_hv, was_supplied;
    reg [LINES+COLUMNS-1:0] were;
    reg [31:0] high, low, selected;
    integer column;

    initial begin
        begun = 0;
        unsafe = 0;
        cycles = 0;
        pulses = 0;
    end

    always @(posedge clk) begin
        selected = 0;
        for (column = 0; column < COLUMNS; column = column + 1) selected = selected + {31'b0, mask[column]};
        were <= {lines, mask};
        was_hv <= hv;
        was_supplied <= supply_ok;
        begun <= !rst;
        high <= hv ? high + 1 : 0;
        low <= hv ? 0 : low + 1;
        if (rst || !begun) begin
            high <= 0;
            low <= 2;
        end else begin
            if (hv) cycles <= cycles + 1;
            if (hv && !was_hv) pulses <= pulses + 1;
            if (hv !== 1'b0 && (sen !== 1'b0 || high >= LONGEST || selected > AT_ONCE || !was_supplied)) unsafe <= 1;
            if (hv && !was_hv && low < 2) unsafe <= 1;
            if ((hv || was_hv) && {lines, mask} !== were) unsafe <= 1;
        end
    end
endmodule
