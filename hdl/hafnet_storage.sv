// A synchronous memory with one read and one write port, filled from an image file.
// Written by hand because its contents are a parameter: the same module serves every image.
// Read latency 1 cycle; a read of the word that is being written returns the old word.
module hafnet_storage #(
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter ADDRESS = 1,
    parameter LOAD = 0,   // 1: filled from the image, 0: not initialised
    parameter IMAGE = "", // path of a $readmemh file without its tail
    parameter TAIL = ".hex"
) (
    input  wire               clk,
    input  wire               read_en,
    input  wire [ADDRESS-1:0] read_addr,
    output reg  [WIDTH-1:0]   read_data,
    input  wire               write_en,
    input  wire [ADDRESS-1:0] write_addr,
    input  wire [WIDTH-1:0]   write_data
);
    reg [WIDTH-1:0] words [0:DEPTH-1];

    initial if (LOAD != 0) $readmemh({IMAGE, TAIL}, words);

    always @(posedge clk) begin
        if (read_en) read_data <= words[read_addr];
        if (write_en) words[write_addr] <= write_data;
    end
endmodule
