# Files of t/fuzz for make dist.
