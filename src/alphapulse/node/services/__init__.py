"""The services of a node that runs apart, each the whole of one process. Orders come from the supervisor."""
