module umpire/benchmarks

go 1.19
