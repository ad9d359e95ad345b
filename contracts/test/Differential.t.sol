// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {FlashArbitrageModel} from "../src/FlashArbitrageModel.sol";
import {IFlashArbitrage, IPairV2, IPoolV3, IToken} from "./Interfaces.sol";
import {Protocols} from "./Protocols.sol";

/// The compiled Huff and the Solidity model, given the same call in the same state, end in the
/// same balances everywhere or revert with the same bytes. Oracle: the model, and the quotes of
/// the pools themselves for runs that must succeed.
contract DifferentialTest is Protocols {
    address private recipient = makeAddr("recipient");
    IFlashArbitrage private compiled;
    IFlashArbitrage private model;
    address[] private pools;
    address[] private tokens;

    struct Outcome {
        bool success;
        bytes answer;
        bytes32 state;
        uint256 earned;
    }

    function setUp() public {
        deployExchanges();
        deployLender();
        compiled = huff(lender);
        model = IFlashArbitrage(address(new FlashArbitrageModel(lender)));
        tokens = [usdc, weth, dai, silent];
        pools = [
            addPair(factoryA, usdc, 3_000_000e6, weth, 1000e18),
            addPair(factoryB, usdc, 3_120_000e6, weth, 1000e18),
            addPool(500, usdc, 3_000_000e6, weth, 1000e18),
            addPool(3000, usdc, 3_120_000e6, weth, 1000e18),
            addPool(10_000, usdc, 3_000_000e6, weth, 1000e18),
            addPair(factoryA, weth, 1000e18, dai, 3_060_000e18),
            addPool(500, dai, 1_000_000e18, usdc, 1_010_000e6),
            addPair(factoryA, weth, 1000e18, silent, 3_090_000e18),
            addPool(500, silent, 1_000_000e18, usdc, 1_000_000e6),
            addPool(3000, silent, 1_000_000e18, dai, 1_020_000e18)
        ];
    }

    // ---------------------------------------------------------------- any path, any amount

    /// forge-config: default.fuzz.runs = 400
    function testFuzz_any_run(uint256 seed, uint256 minProfit) public {
        anyRun(seed, minProfit);
    }

    /// The draw above is worth its time: it meets success and the refusals that a path can earn.
    function test_any_run_meets_success_and_refusals() public {
        uint256[4] memory counts;
        for (uint256 seed = 0; seed < 250; seed++) {
            Outcome memory outcome = anyRun(seed, seed);
            bytes4 reason = bytes4(outcome.answer);
            if (outcome.success) counts[0]++;
            if (reason == IFlashArbitrage.BadPath.selector) counts[1]++;
            if (reason == IFlashArbitrage.InsufficientProfit.selector) counts[2]++;
            if (reason == bytes4(keccak256("Error(string)"))) counts[3]++;
        }
        for (uint256 i = 0; i < counts.length; i++) {
            assertGe(counts[i], 10, vm.toString(i));
        }
    }

    function anyRun(uint256 seed, uint256 minProfit) private returns (Outcome memory outcome) {
        uint256 before = vm.snapshotState();
        shiftPrice(draw(seed, 3));
        address token = tokens[draw(seed, 1) % 4];
        address[] memory route = routeFrom(token, seed);
        uint256[] memory amounts = new uint256[](route.length);
        amounts[0] = anyAmount(token, draw(seed, 2));
        for (uint256 i = 1; i < route.length; i++) {
            uint256 choice = draw(seed, 10 + i);
            if (choice % 12 == 0) amounts[i] = amounts[0] / (1 + choice % 1000);
            if (choice % 64 == 1) amounts[i] = choice;
        }
        minProfit = draw(seed, 4) % 8 == 0 ? minProfit : 1 + minProfit % 1000;
        outcome = assertSame(route, amounts, minProfit, token);
        vm.revertToState(before);
    }

    /// Give some pair up to a third more of one of its tokens, so that one direction becomes dear.
    function shiftPrice(uint256 word) private {
        address pair = [pools[0], pools[1], pools[5], pools[7]][word % 4];
        (uint256 reserve0, uint256 reserve1,) = IPairV2(pair).getReserves();
        (address token, uint256 reserve) = (word >> 8) % 2 == 0
            ? (IPairV2(pair).token0(), reserve0)
            : (IPairV2(pair).token1(), reserve1);
        IToken(token).mint(pair, reserve * ((word >> 16) % 100) / 300);
        IPairV2(pair).sync();
    }

    // ---------------------------------------------------------------- runs that must succeed

    /// Two pools at different prices: both contracts earn what the pools quote, for any loan that
    /// still earns.
    /// forge-config: default.fuzz.runs = 200
    function testFuzz_profitable_run(uint256 seed, uint256 loan) public {
        uint256 cheap = [uint256(0), 2][draw(seed, 1) % 2];
        uint256 dear = [uint256(1), 3][draw(seed, 2) % 2];
        bool inUsdc = draw(seed, 3) % 2 == 0;
        address[] memory route = new address[](2);
        (route[0], route[1]) = inUsdc ? (pools[cheap], pools[dear]) : (pools[dear], pools[cheap]);
        address token = inUsdc ? usdc : weth;
        loan = inUsdc ? bound(loan, 1e6, 9_000e6) : bound(loan, 1e12, 3e18);

        uint256 profit = quote(route, token, loan) - loan - premiumOf(loan);
        uint256[] memory amounts = new uint256[](2);
        amounts[0] = loan;
        Outcome memory outcome = assertSame(route, amounts, profit, token);
        assertTrue(outcome.success, "it must succeed");
        assertEq(outcome.earned, profit, "it must earn what the pools quote");
        assertFalse(assertSame(route, amounts, profit + 1, token).success, "and not more");
    }

    // ---------------------------------------------------------------- helpers

    function assertSame(
        address[] memory route,
        uint256[] memory amounts,
        uint256 minProfit,
        address token
    ) private returns (Outcome memory ours) {
        ours = outcomeOf(compiled, route, amounts, minProfit, token);
        Outcome memory theirs = outcomeOf(model, route, amounts, minProfit, token);
        assertEq(ours.success, theirs.success, "one succeeds, one reverts");
        assertEq(ours.answer, theirs.answer, "they answer different bytes");
        assertEq(ours.earned, theirs.earned, "they earn different amounts");
        assertEq(ours.state, theirs.state, "they leave different balances");
    }

    function outcomeOf(
        IFlashArbitrage arbitrage,
        address[] memory route,
        uint256[] memory amounts,
        uint256 minProfit,
        address token
    ) private returns (Outcome memory outcome) {
        uint256 before = vm.snapshotState();
        (outcome.success, outcome.answer) = address(arbitrage)
            .call(
                abi.encodeCall(
                    IFlashArbitrage.flashloanArbitrage,
                    (route, amounts, minProfit, token, recipient)
                )
            );
        outcome.earned = IToken(token).balanceOf(recipient);
        outcome.state = stateHash();
        for (uint256 i = 0; i < tokens.length; i++) {
            assertEq(IToken(tokens[i]).balanceOf(address(arbitrage)), 0, "tokens rest");
            assertEq(IToken(tokens[i]).allowance(address(arbitrage), lender), 0, "allowance rests");
        }
        vm.revertToState(before);
    }

    function stateHash() private view returns (bytes32 digest) {
        for (uint256 i = 0; i < tokens.length; i++) {
            uint256 received = IToken(tokens[i]).balanceOf(recipient);
            digest = keccak256(abi.encode(digest, received));
            for (uint256 j = 0; j < pools.length; j++) {
                uint256 held = IToken(tokens[i]).balanceOf(pools[j]);
                digest = keccak256(abi.encode(digest, held));
            }
        }
        for (uint256 j = 0; j < pools.length; j++) {
            if (isPair[pools[j]]) {
                (uint256 reserve0, uint256 reserve1,) = IPairV2(pools[j]).getReserves();
                digest = keccak256(abi.encode(digest, reserve0, reserve1));
            } else {
                (uint160 price, int24 tick,,,,,) = IPoolV3(pools[j]).slot0();
                digest = keccak256(abi.encode(digest, price, tick));
            }
        }
    }

    function draw(uint256 seed, uint256 place) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, place)));
    }

    function anyAmount(address token, uint256 word) private view returns (uint256) {
        uint256 unit = token == usdc ? 1e6 : 1e18;
        uint256 dollars = token == weth ? 1 : 3000;
        uint256 scale =
            [uint256(1), unit / 1e3, unit, unit * dollars, unit * dollars * 5000][word % 5];
        if (word % 2 == 0) scale = unit * (token == weth ? 3 : 10_000);
        return 1 + (word >> 8) % scale;
    }

    /// A walk through pools that know the token at hand, the last one home if there is a way; now
    /// and then a pool that does not fit.
    function routeFrom(address home, uint256 seed) private view returns (address[] memory route) {
        route = new address[](1 + draw(seed, 20) % 4);
        address token = home;
        for (uint256 i = 0; i < route.length; i++) {
            uint256 word = draw(seed, 30 + i);
            bool mustReturn = i + 1 == route.length && token != home;
            route[i] = poolWith(token, mustReturn ? home : token, word);
            if (route[i] == address(0)) route[i] = poolWith(token, token, word);
            if ((word >> 128) % 40 == 0) route[i] = pools[word % pools.length];
            (address a, address b) = (IPoolV3(route[i]).token0(), IPoolV3(route[i]).token1());
            token = token == a ? b : a;
        }
    }

    function poolWith(address token, address other, uint256 word) private view returns (address) {
        for (uint256 turn = 0; turn < pools.length; turn++) {
            address pool = pools[(word + turn) % pools.length];
            (address a, address b) = (IPoolV3(pool).token0(), IPoolV3(pool).token1());
            if ((token == a || token == b) && (other == a || other == b)) return pool;
        }
        return address(0);
    }
}
