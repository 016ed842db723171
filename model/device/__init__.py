"""What resistive devices and sense amplifiers really do: resistance, read errors, ageing, energy.

Quantities are in SI units, spreads are standard deviations of a natural logarithm (a resistance of median m and spread
s is m * exp(s * z), z standard normal). Wherever a number does not come from a paper, it says "estimate".

    resistance   the two states as log-normal distributions, and the law that gives them from a programming condition
    presets      named conditions, the law's numbers, amplifiers, and their sources
    table        a user's measured table in place of the law
    ageing       what cycles and time do to the states
    pcsa         the sense amplifier: offset, supply, undecided reads
    bit_errors   error rates of 1T1R and 2T2R, in closed form and by Monte Carlo
    ecc          Hamming codes that correct one error and detect two
    cells        one array as it was made, written and read: weights and probabilities cell by cell
    situation    a condition, what devices went through since and the supply they are read at, as text; and what is read
    units        names of quantities that end in their unit
    energy       activity counted to joules and TOPS/W
    anchors      published figures to hold results against
"""
