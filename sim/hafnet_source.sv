// Sends the words of a file with random gaps. For simulation only.
// The file of pass n is passn_NAME.hex, one word a line in hexadecimal; `start` opens it, and `rst` ends it. `gaps` / 256 is the chance of
// a gap in any one cycle, drawn from `seed` (not 0). Without gaps a word is offered in every cycle.
module hafnet_source #(
    parameter WIDTH = 1,
    parameter NAME = ""
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             start,
    input  wire [31:0]      number,
    input  wire [31:0]      seed,
    input  wire [8:0]       gaps,
    output reg              valid,
    input  wire             ready,
    output reg  [WIDTH-1:0] word
);
    integer file;
    wire gap;
    reg [WIDTH-1:0] next;

    hafnet_noise noise (.clk(clk), .start(start), .seed(seed), .chance(gaps), .hit(gap));

    initial begin
        file = 0;
        valid = 0;
    end

    always @(posedge clk)
        if (rst) begin
            if (file != 0) $fclose(file);
            file = 0;
            valid <= 0;
        end else if (start) begin
            if (file != 0) $fclose(file);
            file = $fopen($sformatf("pass%0d_%0s.hex", number, NAME), "r");
            valid <= 0;
        end else if (!valid || ready) begin
            valid <= 0;
            if (file != 0 && !gap)
                if ($fscanf(file, "%h", next) == 1) begin
                    word <= next;
                    valid <= 1;
                end else begin
                    $fclose(file);
                    file = 0;
                end
        end
endmodule
