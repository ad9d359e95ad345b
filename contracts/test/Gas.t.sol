// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {VmSafe} from "forge-std/Vm.sol";
import {FlashArbitrageModel} from "../src/FlashArbitrageModel.sol";
import {IFlashArbitrage, IPoolV3, IQuoterV2, IToken} from "./Interfaces.sol";
import {Protocols} from "./Protocols.sol";

/// Gas of successful runs: each is a transaction of its own, everything cold, intrinsic gas
/// included, a block after the last trade, on pools, tokens and a recipient whose storage is in
/// use. `used` is what a receipt says; `limit` is what the transaction must bring, for refunds
/// come at its end. Writes cache/gas.json; the committed gas.json is its copy.
/// forge-config: default.isolate = true
contract GasTest is Protocols {
    uint256 private constant LOAN = 2_000e6;

    address private recipient = makeAddr("recipient");
    IFlashArbitrage private compiled;
    IFlashArbitrage private model;
    address private cheapPair;
    address private dearPair;
    address private daiPair;
    address private homePair;
    address private cheapPool;
    address private dearPool;
    address private daiPool;
    address private homePool;
    address private ladder; // a V3 pool with a tick to cross every thousand dollars

    string private flows; // the JSON of all flows recorded so far

    struct Gas {
        uint256 used;
        uint256 limit;
    }

    struct Flow {
        uint256 ticksCrossed;
        Gas huff;
        Gas model;
    }

    function setUp() public {
        deployExchanges();
        deployLender();
        compiled = huff(lender);
        model = IFlashArbitrage(address(new FlashArbitrageModel(lender)));
        cheapPair = addPair(factoryA, usdc, 3_000_000e6, weth, 1000e18);
        dearPair = addPair(factoryB, usdc, 3_600_000e6, weth, 1000e18);
        daiPair = addPair(factoryA, weth, 1000e18, dai, 3_300_000e18);
        homePair = addPair(factoryA, dai, 3_000_000e18, usdc, 3_000_000e6);
        cheapPool = addPool(500, usdc, 3_000_000e6, weth, 1000e18);
        dearPool = addPool(3000, usdc, 3_600_000e6, weth, 1000e18);
        daiPool = addPool(3000, weth, 1000e18, dai, 3_300_000e18);
        homePool = addPool(500, dai, 3_000_000e18, usdc, 3_000_000e6);
        ladder = addPool(10_000, usdc, 30_000e6, weth, 10e18);
        for (int24 spacings = 1; spacings <= 12; spacings++) {
            addRange(ladder, spacings, 1e14);
        }
    }

    function test_gas_of_successful_runs() public {
        useStorage();
        thereAndBack(LOAN / 10);
        Flow memory untouched = record("ladder_no_tick", route(ladder, dearPool), LOAN / 10);
        Flow memory first = record("ladder_first_crossing", route(ladder, dearPool), 5 * LOAN);
        thereAndBack(5 * LOAN);
        thereAndBack(5 * LOAN);
        Flow memory again = record("ladder_later_crossing", route(ladder, dearPool), 5 * LOAN);
        assertEq(untouched.ticksCrossed, 0);
        assertGt(first.ticksCrossed, 5);
        assertGt(again.ticksCrossed, 5);

        Flow memory twoPairs = record("pair_pair", route(cheapPair, dearPair), LOAN);
        record("pair_pool", route(cheapPair, dearPool), LOAN);
        record("pool_pair", route(cheapPool, dearPair), LOAN);
        Flow memory twoPools = record("pool_pool", route(cheapPool, dearPool), LOAN);
        Flow memory threePairs = record("pair_pair_pair", route(cheapPair, daiPair, homePair), LOAN);
        Flow memory threePools = record("pool_pool_pool", route(cheapPool, daiPool, homePool), LOAN);
        recipient = makeAddr("a recipient who never held the token");
        Flow memory unpaid = record("pair_pair_first_payment", route(cheapPair, dearPair), LOAN);

        string memory used = "used";
        vm.serializeUint(used, "base", twoPairs.huff.used * 3 - threePairs.huff.used * 2);
        vm.serializeUint(used, "v2_step", threePairs.huff.used - twoPairs.huff.used);
        vm.serializeUint(used, "v3_step", threePools.huff.used - twoPools.huff.used);
        vm.serializeUint(used, "first_payment", unpaid.huff.used - twoPairs.huff.used);
        vm.serializeUint(
            used, "tick_first_crossed", perTick(first.huff.used, untouched.huff.used, first)
        );
        used = vm.serializeUint(
            used, "tick_crossed", perTick(again.huff.used, untouched.huff.used, again)
        );
        string memory limit = "limit";
        vm.serializeUint(limit, "base", twoPairs.huff.limit * 3 - threePairs.huff.limit * 2);
        vm.serializeUint(limit, "v2_step", threePairs.huff.limit - twoPairs.huff.limit);
        vm.serializeUint(limit, "v3_step", threePools.huff.limit - twoPools.huff.limit);
        vm.serializeUint(limit, "first_payment", unpaid.huff.limit - twoPairs.huff.limit);
        vm.serializeUint(
            limit, "tick_first_crossed", perTick(first.huff.limit, untouched.huff.limit, first)
        );
        limit = vm.serializeUint(
            limit, "tick_crossed", perTick(again.huff.limit, untouched.huff.limit, again)
        );
        string memory units = "units";
        vm.serializeString(units, "used", used);
        units = vm.serializeString(units, "limit", limit);
        string memory whole = "whole";
        vm.serializeString(whole, "flows", flows);
        vm.writeJson(vm.serializeString(whole, "units", units), "cache/gas.json");
    }

    function perTick(uint256 gas, uint256 without, Flow memory flow)
        private
        pure
        returns (uint256)
    {
        return (gas - without + flow.ticksCrossed - 1) / flow.ticksCrossed;
    }

    // ---------------------------------------------------------------- storage in use

    /// Trade every pool twice, pay the recipient, accrue to the treasury.
    function useStorage() private {
        for (uint256 round = 0; round < 2; round++) {
            nextBlock();
            run(compiled, route(cheapPair, dearPair), LOAN);
            run(compiled, route(cheapPool, dearPool), LOAN);
            run(compiled, route(cheapPair, daiPair, homePair), LOAN);
            run(compiled, route(cheapPool, daiPool, homePool), LOAN);
        }
    }

    /// Buy on the ladder and sell back what was bought.
    function thereAndBack(uint256 dollars) private {
        IPoolV3 pool = IPoolV3(ladder);
        bool up = pool.token0() == usdc;
        nextBlock();
        (int256 amount0, int256 amount1) =
            pool.swap(recipient, up, int256(dollars), limitOf(up), "");
        nextBlock();
        pool.swap(recipient, !up, up ? -amount1 : -amount0, limitOf(!up), "");
        nextBlock();
    }

    function limitOf(bool zeroForOne) private pure returns (uint160) {
        return zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        IPoolV3 pool = IPoolV3(msg.sender);
        if (amount0 > 0) IToken(pool.token0()).mint(msg.sender, uint256(amount0));
        if (amount1 > 0) IToken(pool.token1()).mint(msg.sender, uint256(amount1));
    }

    function nextBlock() private {
        vm.roll(vm.getBlockNumber() + 1);
        vm.warp(vm.getBlockTimestamp() + 12);
    }

    // ---------------------------------------------------------------- measuring

    function run(IFlashArbitrage arbitrage, address[] memory pools, uint256 loan)
        private
        returns (Gas memory)
    {
        uint256[] memory amounts = new uint256[](pools.length);
        amounts[0] = loan;
        arbitrage.flashloanArbitrage(pools, amounts, 1, usdc, recipient);
        VmSafe.Gas memory gas = vm.lastCallGas();
        return Gas(gas.gasTotalUsed, gas.gasTotalUsed + uint256(int256(gas.gasRefunded)));
    }

    function record(string memory name, address[] memory pools, uint256 loan)
        private
        returns (Flow memory flow)
    {
        flow.ticksCrossed = ticksOf(pools, loan);
        uint256 before = vm.snapshotState();
        nextBlock();
        flow.huff = run(compiled, pools, loan);
        vm.revertToState(before);
        before = vm.snapshotState();
        nextBlock();
        flow.model = run(model, pools, loan);
        vm.revertToState(before);

        vm.serializeUint(name, "ticks_crossed", flow.ticksCrossed);
        vm.serializeUint(name, "huff_used", flow.huff.used);
        vm.serializeUint(name, "huff_limit", flow.huff.limit);
        vm.serializeUint(name, "model_used", flow.model.used);
        string memory json = vm.serializeUint(name, "model_limit", flow.model.limit);
        flows = vm.serializeString("flows", name, json);
        assertLt(flow.huff.limit, flow.model.limit, "the compiled contract must be cheaper");
    }

    function ticksOf(address[] memory pools, uint256 amount) private returns (uint256 ticks) {
        address token = usdc;
        for (uint256 i = 0; i < pools.length; i++) {
            IPoolV3 pool = IPoolV3(pools[i]);
            address other = pool.token0() == token ? pool.token1() : pool.token0();
            if (isPair[pools[i]]) {
                address[] memory one = new address[](1);
                one[0] = pools[i];
                amount = quote(one, token, amount);
            } else {
                uint32 crossed;
                (amount,, crossed,) = quoter.quoteExactInputSingle(
                    IQuoterV2.Question(token, other, amount, pool.fee(), 0)
                );
                ticks += crossed;
            }
            token = other;
        }
    }

    function route(address a, address b) private pure returns (address[] memory pools) {
        pools = new address[](2);
        (pools[0], pools[1]) = (a, b);
    }

    function route(address a, address b, address c) private pure returns (address[] memory pools) {
        pools = new address[](3);
        (pools[0], pools[1], pools[2]) = (a, b, c);
    }
}
