// Registers that are all visible at once, filled from an image file, with one read and one write port.
// Written by hand because its contents are a parameter: the same module serves every image.
// Read latency 1 cycle; a read of the word that is being written returns the old word.
module hafnet_bank #(
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter ADDRESS = 1,
    parameter BLANK = 0,  // 1: never filled from an image
    parameter CLEAR = 0,  // 1: zeros where it is not filled from an image
    parameter LOAD = 0,   // 1: filled from the image, 0: not initialised, or zeros
    parameter IMAGE = ""  // path of a $readmemh file without its ".hex"
) (
    input  wire                   clk,
    output wire [DEPTH*WIDTH-1:0] all,
    input  wire                   read_en,
    input  wire [ADDRESS-1:0]     read_addr,
    output reg  [WIDTH-1:0]       read_data,
    input  wire                   write_en,
    input  wire [ADDRESS-1:0]     write_addr,
    input  wire [WIDTH-1:0]       write_data
);
    (* mem2reg, ram_style = "registers" *)
    reg [WIDTH-1:0] words [0:DEPTH-1];

    integer place;
`ifdef HAFNET_IMAGES_BY_PATH
    // In simulation only: see hafnet_storage.sv.
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

    genvar index;
    generate
        for (index = 0; index < DEPTH; index = index + 1) begin : word
            assign all[index*WIDTH +: WIDTH] = words[index];
        end
    endgenerate

    always @(posedge clk) begin
        if (read_en) read_data <= words[read_addr];
        if (write_en) words[write_addr] <= write_data;
    end
endmodule
