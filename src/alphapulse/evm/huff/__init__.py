"""A compiler for the part of the Huff language that our contracts use.

Knows the syntax of huff-neo, the opcodes up to cancun and nothing of any contract. It reads
sources through a function that its caller passes in; only `__main__` touches files.
Callers: the contract build, and tests that compare its bytes with other compilers.
"""

__all__: list[str] = []
