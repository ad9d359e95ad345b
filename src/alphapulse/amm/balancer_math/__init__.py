"""Balancer V2's arithmetic file by file, each named after the contract library whose answers it must give."""

__all__: list[str] = []
