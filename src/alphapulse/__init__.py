"""AlphaPulse: from a swap on a chain to a booked profit, exact to the wei, replayable to the byte."""
