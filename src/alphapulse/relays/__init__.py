"""How sentences travel between processes: one relay per domain, a socket each, that forwards what producers numbered.

Knows headers, TLV framing and the few system messages a connection needs; never what a trade means. `service` is the
door: `serve_relays` for nodes and tests, `alphapulse relay serve` for the shell.

What clients may rely on beyond the protocol's text:

- After the Hello of a producer, and with every further `ack_messages` of its messages and every heartbeat, the relay
  tells that producer alone where it stands: a message of sequence 0 with SequenceSync(epoch of the producer, source,
  reason 2, next_sequence = first sequence the relay does not have, dropped 0). What is below is journaled; the producer
  sends everything from `next_sequence` on, again if it must, and may forget what is below. A repeat is discarded.
- After each Subscribe a consumer gets the same standing for every source the relay knows, dead ones included, behind
  their snapshots if it asked for those. A consumer that expects a lower sequence of that epoch has missed a tail and
  asks for it by RecoveryRequest.
- A connection may say Hello several times, once per source it produces as. Control messages carry sequence 0.
"""
