"""The only room that knows everyone: reads configuration, wires components to a bus, owns clock, tasks and signals."""
