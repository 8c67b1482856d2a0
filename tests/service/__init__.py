"""The edge that both services share, held against its promises."""
