"""What the contract promises, held without a network, a clock or a double: bytes in, values out."""
