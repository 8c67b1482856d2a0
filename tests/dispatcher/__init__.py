"""The dispatcher, held against its promises."""
