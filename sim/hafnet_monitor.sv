// Writes down every word that passes on a stream. For simulation only.
// The file of pass n is passn_NAME.hex, one word a line in hexadecimal: the cycle (64 bits), then the word, widened with
// zeros to whole bytes. `start` opens it and sets `count`, the words that have passed, to 0.
module hafnet_monitor #(
    parameter WIDTH = 1,
    parameter NAME = ""
) (
    input  wire             clk,
    input  wire             start,
    input  wire [31:0]      number,
    input  wire             valid,
    input  wire             ready,
    input  wire [WIDTH-1:0] word,
    output reg  [31:0]      count
);
    integer file;
    reg [63:0] cycle;
    reg [(WIDTH + 7) / 8 * 8 - 1:0] whole;

    initial begin
        file = 0;
        cycle = 0;
        count = 0;
    end

    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (start) begin
            if (file != 0) $fclose(file);
            file = $fopen($sformatf("pass%0d_%0s.hex", number, NAME), "w");
            count <= 0;
        end else if (file != 0 && valid && ready) begin
            whole = 0;
            whole[WIDTH-1:0] = word;
            $fdisplay(file, "%h%h", cycle, whole);
            count <= count + 1;
        end
    end
endmodule
