// Counters within the design, see sim/activity.py: for simulation only. At the end of a simulation each adds a line to
// the file activity.txt: its place in the design, what it counted, and the counts.

// Registers of a module: their bits times cycles, and how many of these bits changed.
module hafnet_register_counter #(
    parameter BITS = 1
) (
    input wire            clk,
    input wire [BITS-1:0] bits
);
    reg [BITS-1:0] last = 0;
    reg [63:0] cycles = 0, changed = 0;
    integer file;

    always @(posedge clk) begin
        cycles <= cycles + 1;
        changed <= changed + 64'($countones(bits ^ last));
        last <= bits;
    end

    final begin
        file = $fopen("activity.txt", "a");
        $fdisplay(file, "%m registers %0d %0d %0d", BITS * cycles, changed, cycles);
        $fclose(file);
    end
endmodule

// A memory: bits that were read or written.
module hafnet_memory_counter #(
    parameter BITS = 1
) (
    input wire clk,
    input wire read_en,
    input wire write_en
);
    reg [63:0] words = 0;
    integer file;

    always @(posedge clk) words <= words + 64'(read_en) + 64'(write_en);

    final begin
        file = $fopen("activity.txt", "a");
        $fdisplay(file, "%m memory %0d", BITS * words);
        $fclose(file);
    end
endmodule

// An array: cycles in which a word line was raised to be sensed, and devices that pulses of SET, RESET and FORM acted on.
module hafnet_array_counter #(
    parameter COLUMNS = 1
) (
    input wire               clk,
    input wire               sen,
    input wire               hv,
    input wire [1:0]         operation,
    input wire [COLUMNS-1:0] x
);
    reg [63:0] sensed = 0, sets = 0, resets = 0, forms = 0;
    reg pulsed = 0;
    integer file;

    always @(posedge clk) begin
        sensed <= sensed + 64'(sen);
        pulsed <= hv;
        if (hv && !pulsed)
            case (operation)
                1: sets <= sets + 64'($countones(x));
                2: resets <= resets + 64'($countones(x));
                3: forms <= forms + 64'($countones(x));
                default: ;
            endcase
    end

    final begin
        file = $fopen("activity.txt", "a");
        $fdisplay(file, "%m array %0d %0d %0d %0d", sensed, sets, resets, forms);
        $fclose(file);
    end
endmodule
