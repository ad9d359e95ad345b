// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {FlashArbitrageModel} from "../src/FlashArbitrageModel.sol";
import {HostileLender, HostilePool} from "./Hostile.sol";
import {IAavePool, IFlashArbitrage, IPairV2, IPoolV3, IToken} from "./Interfaces.sol";
import {Protocols} from "./Protocols.sol";
import {MoodyToken} from "./Tokens.sol";

/// What a run does and what it refuses, on the published bytecode of its counterparts. Two
/// contracts at the end of this file put the compiled Huff and the Solidity model through it.
/// Covers: C1, C3, C4, C7, T4, T7, S8, M10.
abstract contract FlashArbitrageTest is Protocols {
    uint256 private constant LOAN = 20_000e6;

    IFlashArbitrage internal arbitrage;
    address internal recipient = makeAddr("recipient");
    address internal stranger = makeAddr("stranger");

    address internal cheapPair; // 3000 USDC buy 1 WETH here
    address internal dearPair; // and 3120 here
    address internal cheapPool;
    address internal dearPool;
    address internal daiPair; // 1 WETH buys 3060 DAI
    address internal daiPool; // 1 DAI buys 1.01 USDC
    address internal silentPair; // 1 WETH buys 3090 SILENT
    address internal silentPool; // 1 SILENT buys 1 USDC

    function deployed(address lender_) internal virtual returns (IFlashArbitrage);

    function setUp() public {
        deployExchanges();
        deployLender();
        arbitrage = deployed(lender);
        cheapPair = addPair(factoryA, usdc, 3_000_000e6, weth, 1000e18);
        dearPair = addPair(factoryB, usdc, 3_120_000e6, weth, 1000e18);
        cheapPool = addPool(500, usdc, 3_000_000e6, weth, 1000e18);
        dearPool = addPool(3000, usdc, 3_120_000e6, weth, 1000e18);
        daiPair = addPair(factoryA, weth, 1000e18, dai, 3_060_000e18);
        daiPool = addPool(500, dai, 1_000_000e18, usdc, 1_010_000e6);
        silentPair = addPair(factoryA, weth, 1000e18, silent, 3_090_000e18);
        silentPool = addPool(500, silent, 1_000_000e18, usdc, 1_000_000e6);
    }

    // ---------------------------------------------------------------- helpers

    function path(address a, address b) internal pure returns (address[] memory pools) {
        pools = new address[](2);
        (pools[0], pools[1]) = (a, b);
    }

    function path(address a, address b, address c) internal pure returns (address[] memory pools) {
        pools = new address[](3);
        (pools[0], pools[1], pools[2]) = (a, b, c);
    }

    function start(address[] memory pools, uint256 loan, uint256 minProfit, address token)
        internal
    {
        uint256[] memory amounts = new uint256[](pools.length);
        amounts[0] = loan;
        arbitrage.flashloanArbitrage(pools, amounts, minProfit, token, recipient);
    }

    function assertClean() internal view {
        address[4] memory tokens = [usdc, weth, dai, silent];
        for (uint256 i = 0; i < tokens.length; i++) {
            assertEq(IToken(tokens[i]).balanceOf(address(arbitrage)), 0, "tokens rest");
            assertEq(IToken(tokens[i]).allowance(address(arbitrage), lender), 0, "allowance rests");
        }
        assertEq(address(arbitrage).balance, 0, "ether rests");
    }

    /// The run pays the recipient what the quotes say: to the unit, and not a unit more is left.
    function assertEarns(address[] memory pools, uint256 loan, address token) internal {
        uint256 out = quote(pools, token, loan);
        uint256 profit = out - loan - premiumOf(loan);
        uint256 before = IToken(token).balanceOf(recipient);

        vm.expectRevert(
            abi.encodeWithSelector(
                IFlashArbitrage.InsufficientProfit.selector,
                out,
                loan + premiumOf(loan) + profit + 1
            )
        );
        start(pools, loan, profit + 1, token);
        assertEq(IToken(token).balanceOf(recipient), before, "a refused run pays nothing");

        start(pools, loan, profit, token);
        assertEq(IToken(token).balanceOf(recipient), before + profit, "profit");
        assertClean();
    }

    function amountsOf(uint256 a, uint256 b) internal pure returns (uint256[] memory amounts) {
        amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (a, b);
    }

    function expect(bytes4 error) internal {
        vm.expectRevert(abi.encodeWithSelector(error));
    }

    // ---------------------------------------------------------------- what it does

    function test_views() public view {
        assertEq(arbitrage.owner(), address(this));
        assertEq(arbitrage.lender(), lender);
        assertEq(IAavePool(lender).FLASHLOAN_PREMIUM_TOTAL(), PREMIUM_BPS);
    }

    function test_earns_pair_pair() public {
        assertEarns(path(cheapPair, dearPair), LOAN, usdc);
    }

    function test_earns_pair_pool() public {
        assertEarns(path(cheapPair, dearPool), LOAN, usdc);
    }

    function test_earns_pool_pair() public {
        assertEarns(path(cheapPool, dearPair), LOAN, usdc);
    }

    function test_earns_pool_pool() public {
        assertEarns(path(cheapPool, dearPool), LOAN, usdc);
    }

    function test_earns_in_the_other_token() public {
        assertEarns(path(dearPair, cheapPair), 5e18, weth);
        assertEarns(path(dearPool, cheapPool), 5e18, weth);
    }

    function test_earns_three_pools() public {
        assertEarns(path(cheapPair, daiPair, daiPool), LOAN, usdc);
    }

    function test_earns_three_pools_of_which_two_are_v3() public {
        assertEarns(path(cheapPool, daiPair, daiPool), LOAN, usdc);
    }

    function test_earns_through_many_ticks() public {
        assertEarns(path(cheapPool, dearPool), 60_000e6, usdc);
    }

    function test_earns_through_a_token_that_returns_nothing() public {
        assertEarns(path(cheapPair, silentPair, silentPool), LOAN, usdc);
    }

    function test_earns_and_repays_in_a_token_that_returns_nothing() public {
        assertEarns(path(silentPool, cheapPair, silentPair), 10_000e18, silent);
    }

    /// Two runs in one transaction: nothing of the first is left in transient storage.
    function test_runs_twice_in_one_transaction() public {
        start(path(cheapPool, dearPair), LOAN, 1, usdc);
        expect(IFlashArbitrage.BadCallback.selector);
        vm.prank(cheapPool);
        arbitrage.uniswapV3SwapCallback(int256(LOAN), -1, "");
        start(path(cheapPool, dearPair), LOAN / 10, 1, usdc);
        assertClean();
        for (uint256 slot = 0; slot < 4; slot++) {
            assertEq(vm.load(address(arbitrage), bytes32(slot)), 0, "storage is not used");
        }
    }

    /// Transient storage belongs to the address: other code put there reads what the run left.
    function test_transient_storage_is_cleared_on_exit() public {
        start(path(cheapPool, dearPool), LOAN, 1, usdc);
        vm.etch(address(arbitrage), type(TransientReader).runtimeCode);
        for (uint256 slot = 0; slot < 8; slot++) {
            assertEq(TransientReader(address(arbitrage)).read(slot), 0, vm.toString(slot));
        }
    }

    function test_exact_amount_sends_the_rest_of_a_step_to_the_recipient() public {
        address[] memory first = new address[](1);
        first[0] = cheapPair;
        uint256 bought = quote(first, usdc, LOAN);
        uint256 rest = 1e15;
        first[0] = dearPool;
        uint256 out = quote(first, weth, bought - rest);
        arbitrage.flashloanArbitrage(
            path(cheapPair, dearPool), amountsOf(LOAN, bought - rest), 1, usdc, recipient
        );
        assertEq(IToken(weth).balanceOf(recipient), rest);
        assertEq(IToken(usdc).balanceOf(recipient), out - LOAN - premiumOf(LOAN));
        assertClean();
    }

    function test_exact_amount_beyond_what_is_held_reverts() public {
        address[] memory first = new address[](1);
        first[0] = cheapPair;
        uint256 bought = quote(first, usdc, LOAN);
        vm.expectRevert("ERC20: transfer amount exceeds balance");
        arbitrage.flashloanArbitrage(
            path(cheapPair, dearPair), amountsOf(LOAN, bought + 1), 1, usdc, recipient
        );
        vm.expectRevert("ERC20: transfer amount exceeds balance");
        arbitrage.flashloanArbitrage(
            path(cheapPair, dearPool), amountsOf(LOAN, bought + 1), 1, usdc, recipient
        );
        arbitrage.flashloanArbitrage(
            path(cheapPair, dearPair), amountsOf(LOAN, bought), 1, usdc, recipient
        );
        assertClean();
    }

    /// In the middle of a path the profit token is loan money: an unsold rest of it stays.
    function test_exact_amount_of_profit_token_stays_for_the_lender() public {
        address[] memory pools = new address[](4);
        (pools[0], pools[1], pools[2], pools[3]) = (cheapPair, dearPair, cheapPool, dearPool);
        uint256[] memory amounts = new uint256[](4);
        (amounts[0], amounts[2]) = (LOAN, LOAN / 2);
        uint256 loanAndPremium = LOAN + premiumOf(LOAN);
        uint256 first = quote(path(cheapPair, dearPair), usdc, LOAN);
        uint256 second = quote(path(cheapPool, dearPool), usdc, LOAN / 2);
        arbitrage.flashloanArbitrage(pools, amounts, 1, usdc, recipient);
        assertEq(IToken(usdc).balanceOf(recipient), first - LOAN / 2 + second - loanAndPremium);
        assertClean();
    }

    function test_eight_pools_are_a_path() public {
        address[] memory pools = new address[](8);
        for (uint256 i = 0; i < 4; i++) {
            (pools[2 * i], pools[2 * i + 1]) = (cheapPair, dearPair);
        }
        start(pools, 500e6, 1, usdc);
        assertClean();
    }

    // ---------------------------------------------------------------- who may call

    function test_only_the_owner_starts_a_run() public {
        expect(IFlashArbitrage.NotOwner.selector);
        vm.prank(stranger);
        start(path(cheapPair, dearPair), LOAN, 1, usdc);
    }

    function test_the_recipient_is_no_owner() public {
        expect(IFlashArbitrage.NotOwner.selector);
        vm.prank(recipient);
        start(path(cheapPair, dearPair), LOAN, 1, usdc);
    }

    function test_a_stranger_may_not_call_the_loan_callback() public {
        bytes memory params =
            abi.encode(path(cheapPair, dearPair), amountsOf(LOAN, 0), uint256(1), usdc, stranger);
        for (uint256 i = 0; i < 3; i++) {
            address caller = [stranger, lender, address(this)][i];
            expect(IFlashArbitrage.BadCallback.selector);
            vm.prank(caller);
            arbitrage.executeOperation(usdc, LOAN, 0, address(arbitrage), params);
        }
    }

    function test_a_stranger_may_not_borrow_for_us() public {
        expect(IFlashArbitrage.BadCallback.selector);
        vm.prank(stranger);
        IAavePool(lender).flashLoanSimple(address(arbitrage), usdc, LOAN, "", 0);
    }

    function test_a_stranger_may_not_ask_for_a_payment() public {
        IToken(usdc).mint(address(arbitrage), LOAN);
        for (uint256 i = 0; i < 3; i++) {
            address caller = [stranger, cheapPool, address(this)][i];
            expect(IFlashArbitrage.BadCallback.selector);
            vm.prank(caller);
            arbitrage.uniswapV3SwapCallback(int256(LOAN), -1, abi.encode(usdc));
        }
    }

    function test_ether_and_unknown_calls_are_refused() public {
        bytes[5] memory calls = [
            bytes(""),
            hex"6f",
            hex"6f6400",
            abi.encodeWithSignature("receiveFlashLoan()"),
            abi.encodeWithSignature("pancakeV3SwapCallback(int256,int256,bytes)", 0, 0, "")
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            (bool success, bytes memory answer) = address(arbitrage).call(calls[i]);
            assertFalse(success);
            assertEq(answer.length, 0);
        }
        bytes memory whole = abi.encodeCall(
            IFlashArbitrage.flashloanArbitrage,
            (path(cheapPair, dearPair), amountsOf(LOAN, 0), 1, usdc, recipient)
        );
        (bool paid,) = address(arbitrage).call{value: 1}(whole);
        assertFalse(paid);
        (paid,) = address(arbitrage).call{value: 1}(abi.encodeWithSignature("owner()"));
        assertFalse(paid);
        (paid,) = address(arbitrage).call(whole);
        assertTrue(paid);
    }

    function test_the_constructor_refuses_no_lender() public {
        (bool success,) = address(this).call(abi.encodeCall(this.deployedFrom, (address(0))));
        assertFalse(success);
    }

    function deployedFrom(address lender_) external returns (IFlashArbitrage) {
        return deployed(lender_);
    }

    // ---------------------------------------------------------------- what it is asked

    function test_bad_input() public {
        address[] memory good = path(cheapPair, dearPair);
        bytes4 bad = IFlashArbitrage.BadInput.selector;
        uint256 tooMuch = 1 << 128;

        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, 0), 0, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, 0), tooMuch, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, 0), type(uint256).max, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(0, 0), 1, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(tooMuch, 0), 1, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, tooMuch), 1, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, 0), 1, usdc, address(0));
        expect(bad);
        arbitrage.flashloanArbitrage(good, amountsOf(LOAN, 0), 1, usdc, address(arbitrage));
        expect(bad);
        arbitrage.flashloanArbitrage(good, new uint256[](1), 1, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(good, new uint256[](3), 1, usdc, recipient);
        expect(bad);
        arbitrage.flashloanArbitrage(new address[](0), new uint256[](0), 1, usdc, recipient);
        address[] memory nine = new address[](9);
        uint256[] memory nineAmounts = new uint256[](9);
        nineAmounts[0] = LOAN;
        expect(bad);
        arbitrage.flashloanArbitrage(nine, nineAmounts, 1, usdc, recipient);
    }

    function test_words_that_are_no_addresses_are_refused() public {
        bytes memory whole = abi.encodeCall(
            IFlashArbitrage.flashloanArbitrage,
            (path(cheapPair, dearPair), amountsOf(LOAN, 0), 1, usdc, recipient)
        );
        // profit token, recipient, first and second pool: one bit above each address
        uint256[4] memory words = [uint256(0x64), 0x84, 0xc4, 0xe4];
        for (uint256 i = 0; i < words.length; i++) {
            whole[words[i] + 11] = 0x01;
            (bool success,) = address(arbitrage).call(whole);
            assertFalse(success);
            whole[words[i] + 11] = 0x00;
        }
        (bool control,) = address(arbitrage).call(whole);
        assertTrue(control);
    }

    /// A pool may name a token that does not exist; paying in it would succeed without a word.
    function test_a_token_without_code_is_refused() public {
        address nothing = makeAddr("nothing");
        address first = address(new HostilePool(usdc, nothing, HostilePool.Manner.Honest, 1e18));
        address second =
            address(new HostilePool(nothing, usdc, HostilePool.Manner.Honest, 2 * LOAN));
        expect(IFlashArbitrage.TokenRefused.selector);
        start(path(first, second), LOAN, 1, usdc);
    }

    function test_paths_that_do_not_lead_home() public {
        bytes4 bad = IFlashArbitrage.BadPath.selector;
        expect(bad); // ends in DAI
        start(path(cheapPair, daiPair), LOAN, 1, usdc);
        expect(bad); // the second pair does not know WETH
        start(path(cheapPair, daiPool, dearPair), LOAN, 1, usdc);
        expect(bad); // one pool leads away
        start(new address[](1), LOAN, 1, usdc, cheapPool);
    }

    function start(address[] memory pools, uint256 loan, uint256 min, address token, address only)
        private
    {
        pools[0] = only;
        start(pools, loan, min, token);
    }

    // ---------------------------------------------------------------- what may fail inside

    function test_a_losing_run_reverts() public {
        uint256 out = quote(path(dearPair, cheapPair), usdc, LOAN);
        assertLt(out, LOAN);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFlashArbitrage.InsufficientProfit.selector, out, LOAN + premiumOf(LOAN) + 1
            )
        );
        start(path(dearPair, cheapPair), LOAN, 1, usdc);
    }

    function test_a_run_that_only_pays_the_loan_reverts() public {
        HostilePool pool = hostile(HostilePool.Manner.Honest, LOAN + premiumOf(LOAN));
        expectInsufficient(LOAN + premiumOf(LOAN));
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        pool = hostile(HostilePool.Manner.Honest, LOAN + premiumOf(LOAN) + 1);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        assertEq(IToken(usdc).balanceOf(recipient), 1);
        assertClean();
    }

    function expectInsufficient(uint256 balance) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IFlashArbitrage.InsufficientProfit.selector, balance, LOAN + premiumOf(LOAN) + 1
            )
        );
    }

    function test_a_failing_step_passes_on_its_reason() public {
        address[] memory pools = path(cheapPair, dearPair, cheapPair);
        for (uint256 i = 0; i < 3; i++) {
            // a pair that pays nothing for so little says why
            uint256[] memory amounts = new uint256[](3);
            amounts[0] = i == 0 ? 1 : LOAN;
            if (i > 0) amounts[i] = 1;
            vm.expectRevert(
                i == 1
                    ? bytes("UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT")
                    : abi.encodeWithSelector(IFlashArbitrage.BadPath.selector)
            );
            arbitrage.flashloanArbitrage(pools, amounts, 1, usdc, recipient);
        }
        HostilePool pool = hostile(HostilePool.Manner.Reverts, 0);
        bytes memory grudge = abi.encodeWithSelector(HostilePool.Grudge.selector, 7);
        vm.expectRevert(grudge);
        start(path(address(pool), dearPair), LOAN, 1, usdc);
        vm.expectRevert(grudge);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        vm.expectRevert(grudge);
        start(path(cheapPair, address(pool), daiPool), LOAN, 1, usdc);
    }

    function test_a_pool_that_hides_its_tokens_passes_on_its_reason() public {
        HostilePool pool = hostile(HostilePool.Manner.HidesTokens, 2 * LOAN);
        vm.expectRevert(abi.encodeWithSelector(HostilePool.Grudge.selector, 7));
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
    }

    function test_a_pool_with_other_reserves_is_no_pair() public {
        HostilePool pool = hostile(HostilePool.Manner.HasOtherReserves, 2 * LOAN);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        assertEq(IToken(usdc).balanceOf(recipient), LOAN - premiumOf(LOAN));
        assertClean();
    }

    function test_a_token_that_hides_our_balance_passes_on_its_reason() public {
        (MoodyToken moody, address[] memory pools) = moodyRun();
        moody.hideBalance(address(arbitrage), true);
        vm.expectRevert(abi.encodeWithSelector(MoodyToken.Grudge.selector, 7));
        start(pools, 1000e18, 1, address(moody));
    }

    /// A run in a token with moods, lent by a lender that mints it; profitable but for a mood.
    function moodyRun() internal returns (MoodyToken moody, address[] memory pools) {
        moody = new MoodyToken();
        arbitrage = deployed(address(new HostileLender()));
        address pair = addPair(factoryA, weth, 1000e18, address(moody), 3_090_000e18);
        address back = addPair(factoryB, address(moody), 3_000_000e18, usdc, 3_000_000e6);
        pools = path(back, cheapPair, pair);
        uint256 before = vm.snapshotState();
        start(pools, 1000e18, 1, address(moody));
        vm.revertToState(before);
    }

    function test_a_v3_pool_that_cannot_sell_all_reverts() public {
        address thin = factoryV3.createPool(usdc, weth, 10_000);
        (uint160 price,,,,,,) = IPoolV3(cheapPool).slot0();
        IPoolV3(thin).initialize(price);
        addRange(thin, 2, 1e12);
        expect(IFlashArbitrage.PartialFill.selector);
        start(path(thin, dearPair), LOAN, 1, usdc);
        expect(IFlashArbitrage.PartialFill.selector);
        start(path(cheapPair, thin), LOAN, 1, usdc);
    }

    function test_a_pool_without_code_reverts() public {
        (bool success,) = address(arbitrage)
            .call(
                abi.encodeCall(
                    IFlashArbitrage.flashloanArbitrage,
                    (path(stranger, dearPair), amountsOf(LOAN, 0), 1, usdc, recipient)
                )
            );
        assertFalse(success);
        vm.expectRevert();
        start(path(usdc, dearPair), LOAN, 1, usdc); // a token is no pool
    }

    function test_a_token_that_answers_no_is_refused() public {
        MoodyToken moody = new MoodyToken();
        address pair = addPair(factoryA, weth, 1000e18, address(moody), 3_090_000e18);
        address back = addPair(factoryB, address(moody), 3_000_000e18, usdc, 3_000_000e6);
        bytes[3] memory moods = [abi.encode(false), abi.encode(uint256(2)), bytes(hex"01")];
        for (uint256 i = 0; i < moods.length; i++) {
            moody.setMood(address(arbitrage), moods[i]);
            vm.expectRevert(IFlashArbitrage.TokenRefused.selector);
            start(path(cheapPair, pair, back), LOAN, 1, usdc);
        }
        moody.setMood(address(arbitrage), "");
        start(path(cheapPair, pair, back), LOAN, 1, usdc);
        assertClean();
    }

    // ---------------------------------------------------------------- hostile pools

    function hostile(HostilePool.Manner manner, uint256 pays) private returns (HostilePool) {
        return new HostilePool(usdc, weth, manner, pays);
    }

    function test_an_honest_pool_in_hostile_dress_is_the_control() public {
        HostilePool pool = hostile(HostilePool.Manner.Honest, 2 * LOAN);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        assertEq(IToken(usdc).balanceOf(recipient), LOAN - premiumOf(LOAN));
        assertClean();
    }

    function test_hostile_pools_are_refused() public {
        refuses(HostilePool.Manner.AsksLess, IFlashArbitrage.PartialFill.selector);
        refuses(HostilePool.Manner.AsksMore, IFlashArbitrage.PartialFill.selector);
        refuses(HostilePool.Manner.NeverAsks, IFlashArbitrage.BadPool.selector);
        refuses(HostilePool.Manner.AsksTwice, IFlashArbitrage.BadCallback.selector);
        refuses(HostilePool.Manner.SendsAccomplice, IFlashArbitrage.BadCallback.selector);
        refuses(HostilePool.Manner.ReentersRun, IFlashArbitrage.Reentered.selector);
        refuses(HostilePool.Manner.BorrowsForVictim, IFlashArbitrage.BadCallback.selector);
        refuses(HostilePool.Manner.CallsLoanCallback, IFlashArbitrage.BadCallback.selector);
    }

    function test_a_short_answer_of_a_pool_is_refused() public {
        HostilePool pool = hostile(HostilePool.Manner.AnswersShort, 2 * LOAN);
        vm.expectRevert();
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
    }

    /// Whatever side a pool names, it gets the token and the amount of the step.
    function test_a_pool_cannot_choose_the_token_it_is_paid_in() public {
        HostilePool pool = hostile(HostilePool.Manner.AsksOtherSide, 2 * LOAN);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        assertEq(IToken(usdc).balanceOf(address(pool)), 0);
        assertGt(IToken(weth).balanceOf(address(pool)), 0);
        assertClean();
    }

    function refuses(HostilePool.Manner manner, bytes4 error) private {
        HostilePool pool = hostile(manner, 2 * LOAN);
        expect(error);
        start(path(cheapPair, address(pool)), LOAN, 1, usdc);
        expect(error);
        start(path(address(pool), dearPair), LOAN, 1, usdc);
    }

    function reenter() external {
        start(path(cheapPair, dearPair), LOAN, 1, usdc);
    }

    // ---------------------------------------------------------------- lenders

    function test_a_lender_may_refuse() public {
        vm.expectRevert(); // DAI is no reserve
        start(path(daiPool, cheapPair, daiPair), 1000e18, 1, dai);
        vm.expectRevert("ERC20: transfer amount exceeds balance"); // more than the reserve holds
        start(path(cheapPair, dearPair), 1e15, 1, usdc);
    }

    function test_hostile_lenders_are_refused() public {
        HostileLender other = new HostileLender();
        arbitrage = deployed(address(other));
        start(path(cheapPair, dearPair), LOAN, 1, usdc); // an honest one is the control
        assertClean();
        other.setManner(HostileLender.Manner.Refuses);
        vm.expectRevert(bytes("91"));
        start(path(cheapPair, dearPair), LOAN / 10, 1, usdc);
        other.setManner(HostileLender.Manner.LendsNothing);
        expect(IFlashArbitrage.NoLoan.selector);
        start(path(cheapPair, dearPair), LOAN / 10, 1, usdc);
        HostileLender.Manner[3] memory manners = [
            HostileLender.Manner.NamesOther,
            HostileLender.Manner.LendsTwice,
            HostileLender.Manner.SendsStranger
        ];
        for (uint256 i = 0; i < manners.length; i++) {
            other.setManner(manners[i]);
            expect(IFlashArbitrage.BadCallback.selector);
            start(path(cheapPair, dearPair), LOAN / 10, 1, usdc);
        }
        other.setManner(HostileLender.Manner.Honest);
        start(path(cheapPair, dearPair), LOAN / 10, 1, usdc);
    }

    function test_a_lender_without_code_is_refused() public {
        arbitrage = deployed(stranger);
        vm.expectRevert();
        start(path(cheapPair, dearPair), LOAN, 1, usdc);
    }
}

contract TransientReader {
    function read(uint256 slot) external view returns (uint256 word) {
        assembly {
            word := tload(slot)
        }
    }
}

contract HuffTest is FlashArbitrageTest {
    function deployed(address lender_) internal override returns (IFlashArbitrage) {
        return huff(lender_);
    }

    /// The compiled contract takes the ABI's plain encoding only: no gap, no tail, no shared part.
    function test_other_encodings_are_refused() public {
        bytes memory whole = abi.encodeCall(
            IFlashArbitrage.flashloanArbitrage,
            (path(cheapPair, dearPair), amountsOf(1e9, 0), 1, usdc, recipient)
        );
        // offset of pools, offset of amounts, number of pools, number of amounts
        uint256[4] memory words = [uint256(0x04), 0x24, 0xa4, 0x104];
        for (uint256 i = 0; i < words.length; i++) {
            for (uint256 bit = 0; bit < 256; bit += 5) {
                uint256 place = words[i] + 31 - bit / 8;
                bytes1 kept = whole[place];
                whole[place] = kept ^ bytes1(uint8(1 << (bit % 8)));
                assertBadInput(whole);
                whole[place] = kept;
            }
        }
        assertBadInput(bytes.concat(whole, hex"00"));
        assertBadInput(bytes.concat(whole, bytes32(0)));
        for (uint256 size = 4; size < whole.length; size += 16) {
            bytes memory shorter = new bytes(size);
            for (uint256 i = 0; i < size; i++) {
                shorter[i] = whole[i];
            }
            assertBadInput(shorter);
        }
        (bool control,) = address(arbitrage).call(whole);
        assertTrue(control);
    }

    function test_reasons_for_words_that_are_no_addresses() public {
        bytes memory whole = abi.encodeCall(
            IFlashArbitrage.flashloanArbitrage,
            (path(cheapPair, dearPair), amountsOf(1e9, 0), 1, usdc, recipient)
        );
        uint256[4] memory words = [uint256(0x64), 0x84, 0xc4, 0xe4];
        for (uint256 i = 0; i < words.length; i++) {
            whole[words[i] + 11] = 0x01;
            assertBadInput(whole);
            whole[words[i] + 11] = 0x00;
        }
    }

    function test_reasons_for_answers_that_are_too_short() public {
        expect(IFlashArbitrage.BadPool.selector);
        start(path(cheapPair, stranger), 1e9, 1, usdc);
        address short = address(new HostilePool(usdc, weth, HostilePool.Manner.AnswersShort, 1e10));
        expect(IFlashArbitrage.BadPool.selector);
        start(path(cheapPair, short), 1e9, 1, usdc);

        (MoodyToken moody, address[] memory pools) = moodyRun();
        moody.hideBalance(address(arbitrage), false);
        expect(IFlashArbitrage.TokenRefused.selector);
        start(pools, 1000e18, 1, address(moody));
    }

    function assertBadInput(bytes memory call) private {
        (bool success, bytes memory answer) = address(arbitrage).call(call);
        assertFalse(success);
        assertEq(bytes4(answer), IFlashArbitrage.BadInput.selector);
    }

    /// A lender that lays out its callback in another way is not understood, so it is refused.
    function test_a_loan_in_another_encoding_is_refused() public {
        HostileLender other = new HostileLender();
        arbitrage = deployed(address(other));
        other.setManner(HostileLender.Manner.ShiftsParams);
        expect(IFlashArbitrage.BadCallback.selector);
        start(path(cheapPair, dearPair), 1e9, 1, usdc);
    }

    function test_creation_without_or_with_a_wrong_argument_fails() public {
        bytes memory code = huffCode();
        assertEq(tryCreate(code, 0), address(0));
        assertEq(tryCreate(bytes.concat(code, bytes32(type(uint256).max)), 0), address(0));
        assertEq(tryCreate(bytes.concat(code, bytes32(uint256(1) << 160)), 0), address(0));
        assertEq(tryCreate(bytes.concat(code, abi.encode(lender), hex"00"), 0), address(0));
        assertEq(tryCreate(bytes.concat(code, abi.encode(lender, lender)), 0), address(0));
        vm.deal(address(this), 1);
        assertEq(tryCreate(bytes.concat(code, abi.encode(lender)), 1), address(0));
        assertTrue(tryCreate(bytes.concat(code, abi.encode(lender)), 0) != address(0));
    }

    function tryCreate(bytes memory code, uint256 value) private returns (address made) {
        assembly {
            made := create(value, add(code, 0x20), mload(code))
        }
    }
}

contract ModelTest is FlashArbitrageTest {
    function deployed(address lender_) internal override returns (IFlashArbitrage) {
        return IFlashArbitrage(address(new FlashArbitrageModel(lender_)));
    }
}
