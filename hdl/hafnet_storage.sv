// A synchronous memory with one read and one write port, filled from an image file.
// Written by hand because its contents are a parameter: the same module serves every image.
// Read latency 1 cycle; a read of the word that is being written returns the old word.
module hafnet_storage #(
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter ADDRESS = 1,
    parameter BLANK = 0,  // 1: never filled from an image, because it holds what passes through
    parameter CLEAR = 0,  // 1: zeros where it is not filled from an image
    parameter LOAD = 0,   // 1: filled from the image, 0: not initialised, or zeros
    parameter IMAGE = ""  // path of a $readmemh file without its ".hex"
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

    integer place;
`ifdef HAFNET_IMAGES_BY_PATH
    // In simulation only: the image is named by the place of this memory in the design, and +hafnet_images= says what
    // the paths begin with. Without it nothing is loaded.
    string image;
    integer file;
    initial
        if (BLANK == 0 && $value$plusargs("hafnet_images=%s", image)) begin
            image = {image, $sformatf("%m"), ".hex"};
            file = $fopen(image, "r");
            if (file == 0) $fatal(1, "no image %s", image);
            $fclose(file);
            $readmemh(image, words);
        end else if (CLEAR != 0) begin
            for (place = 0; place < DEPTH; place = place + 1) words[place] = 0;
        end
`else
    initial
        if (LOAD != 0 && BLANK == 0) $readmemh({IMAGE, ".hex"}, words);
        else if (CLEAR != 0) for (place = 0; place < DEPTH; place = place + 1) words[place] = 0;
`endif

    always @(posedge clk) begin
        if (read_en) read_data <= words[read_addr];
        if (write_en) words[write_addr] <= write_data;
    end
endmodule
