"""D7, D13: from an event to the best plan, and from a frame to a signed transaction, beside the stack that most bots are made of.

The peer is degenbot (its pools hear of the event, its cycles of their pools, and those that may pay are calculated), with json and
eth_abi in front and eth_abi and eth-account behind. Both sides see the same pools, the same cycles and the same events, and choose
the cycle that pays most. The framing of the WebSocket and the header of the block are left out of both.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

from alphapulse.evm.logs import V3Swap
from peers.report import DEGENBOT, DEGENBOT_NEXT, PYTHON, RUST, Effort, Party, Row, main, party, row
from peers.universe import DOLLAR, MOST_IN, MOVED, WRAPPED, Universe, many_pairs, one_pair
from peers.wire import SENDER, swap_frame

SEED = 7
PAIR_POOLS = 150
POOLS, SIBLINGS, MIDDLES, PER_SIDE = 1_000, 75, 5, 4
WARM = 4
EVENTS = 40
PEER_EVENTS = 10
GOALS = {"D7": {PYTHON: 140.0, RUST: 2_000.0}, "D13": {PYTHON: 40.0, RUST: 250.0}}
FIELDS = {
    "chainId": 31337,
    "nonce": 7,
    "maxPriorityFeePerGas": 1,
    "maxFeePerGas": 10**10,
    "gas": 600_000,
    "to": "0x6363636363636363636363636363636363636363",
    "value": 0,
    "type": 2,
}
CALL = {"fields": FIELDS, "recipient": "0x" + "72" * 20}

Said = dict[str, dict[str, list[Any]]]


def in_turns(people: Party, asked: dict[str, dict[str, object]], do: str) -> Said:
    """Ask everyone in turn; each goes through all events at once and times each."""
    return {worker.name: worker.ask(do, **asked[worker.name]) for worker in people.everyone()}


def rows_of(
    identity: str, what: str, people: Party, rounds: Sequence[Said], peers: Sequence[str]
) -> list[Row]:
    """Return the rows of one question from what everyone said in each round."""
    rows = []
    for twin in people.twins:
        for peer in peers:
            theirs, name, whole = None, f"{peer}: absent", what
            if peer in people.peers:
                name, theirs = people.names[peer], _microseconds(rounds, peer)
                pairs = zip(rounds[0][twin]["profits"], rounds[0][peer]["profits"], strict=False)
                not_below = [(mine or 0) >= (other or 0) for mine, other in pairs]
                whole = f"{what}; profit not below in {sum(not_below)} of {len(not_below)}"
            rows.append(
                row(
                    identity,
                    whole,
                    twin=twin,
                    value=_microseconds(rounds, twin),
                    peer=name,
                    peer_value=theirs,
                    goal=GOALS[identity][twin] if peer == DEGENBOT else None,
                )
            )
    return rows


def _microseconds(rounds: Sequence[Said], name: str) -> float:
    """Return the median over rounds of the median event, the first ones left out."""
    taken = []
    for said in rounds:
        times = [float(str(one)) for one in said[name]["ns"]]
        taken.append(median(times[WARM:] or times))
    return median(taken) / 1e3


def load(people: Party, universe: Universe) -> None:
    """Give everyone the universe, and the peer its cycles: ours finds them itself."""
    for worker in people.twins.values():
        worker.ask("pools", pools=universe.records)
    for worker in people.peers.values():
        worker.ask("pools", pools=universe.records)
        worker.ask("cycles", cycles=universe.cycles)


def event_to_plan(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D7."""
    universe = one_pair(effort.scaled(PAIR_POOLS), SEED)
    load(people, universe)
    states = [move for move, _, _ in universe.moves(EVENTS)]
    common = {"moved": MOVED, "rest": universe.at_rest()}
    rounds = []
    for _ in range(effort.rounds):
        asked = {
            name: {**common, "states": states, "borrowable": WRAPPED, "most": MOST_IN}
            for name in people.twins
        }
        asked |= {name: {**common, "states": states[: WARM + PEER_EVENTS]} for name in people.peers}
        rounds.append(in_turns(people, asked, "events"))
    survivors = rounds[0][PYTHON]["survivors"]
    what = (
        f"one V3 pool moves, {len(universe.cycles)} cycles of two, about {int(median(survivors))} may pay, "
        "event to best plan, p50"
    )
    return rows_of("D7", what, people, rounds, (DEGENBOT, DEGENBOT_NEXT))


def frame_to_transaction(people: Party, effort: Effort) -> list[Row]:
    """Return the rows of D13."""
    universe = many_pairs(
        20 if effort.is_quick else POOLS,
        effort.scaled(SIBLINGS),
        effort.scaled(MIDDLES),
        effort.scaled(PER_SIDE),
        SEED,
    )
    load(people, universe)
    record = next(one for one in universe.records if one["id"] == MOVED)
    address = bytes.fromhex(record["address"][2:])
    frames = [
        swap_frame(
            address,
            V3Swap(SENDER, SENDER, amount0, amount1, move[0], move[2], move[1]),
            2 * number + 2,
        ).decode()
        for number, (move, amount0, amount1) in enumerate(universe.moves(EVENTS))
    ]
    common = {"moved": MOVED, "rest": universe.at_rest()}
    rounds = []
    for _ in range(effort.rounds):
        asked: dict[str, dict[str, object]] = {
            name: {
                **common,
                "frames": frames,
                "wrapped": WRAPPED,
                "dollar": DOLLAR,
                "most": MOST_IN,
            }
            for name in people.twins
        }
        asked |= {
            name: {**common, "frames": frames[: WARM + PEER_EVENTS], "call": CALL}
            for name in people.peers
        }
        rounds.append(in_turns(people, asked, "frames"))
    what = (
        f"frame to signed transaction, {len(universe.records)} pools, "
        f"{len(universe.cycles)} cycles through the one that moved, p50"
    )
    return rows_of("D13", what, people, rounds, (DEGENBOT,))


def run(effort: Effort) -> tuple[list[Row], dict[str, object]]:
    """Return all rows."""
    rows: list[Row] = []
    for measure, peers in (
        (event_to_plan, (DEGENBOT, DEGENBOT_NEXT)),
        (frame_to_transaction, (DEGENBOT,)),
    ):
        with party(peers, subject="subject_pipeline.py") as people:
            rows += measure(people, effort)
    return rows, {"rounds": effort.rounds, "events": EVENTS, "peer_events": PEER_EVENTS}


if __name__ == "__main__":
    main("pipeline", run)
