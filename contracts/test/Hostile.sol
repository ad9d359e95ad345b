// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {IAavePool, IFlashArbitrage, IToken} from "./Interfaces.sol";

/// Calls the payment callback for somebody else.
contract Accomplice {
    function ask(IFlashArbitrage victim, int256 amount0, int256 amount1) external {
        victim.uniswapV3SwapCallback(amount0, amount1, "");
    }
}

/// A pool in the dress of V3 that misbehaves in one chosen way. It pays out `pays`.
contract HostilePool {
    enum Manner {
        Honest,
        AsksLess,
        AsksMore,
        NeverAsks,
        AsksTwice,
        SendsAccomplice,
        ReentersRun,
        BorrowsForVictim,
        CallsLoanCallback,
        AnswersShort,
        AsksOtherSide,
        HasOtherReserves,
        HidesTokens,
        Reverts
    }

    error Grudge(uint256 because);

    address private first;
    address public token1;
    Manner public manner;
    uint256 public pays;
    address private owner = msg.sender;

    constructor(address a, address b, Manner manner_, uint256 pays_) {
        (first, token1) = a < b ? (a, b) : (b, a);
        manner = manner_;
        pays = pays_;
    }

    function token0() external view returns (address) {
        if (manner == Manner.HidesTokens) revert Grudge(7);
        return first;
    }

    /// Some pools of another kind have a function of this name that answers two words.
    function getReserves() external view returns (uint128, uint128) {
        require(manner == Manner.HasOtherReserves);
        return (1, 1);
    }

    function swap(address to, bool zeroForOne, int256 amount, uint160, bytes calldata)
        external
        returns (int256, int256)
    {
        IFlashArbitrage victim = IFlashArbitrage(msg.sender);
        if (manner == Manner.Reverts) revert Grudge(7);
        if (manner == Manner.ReentersRun) IReenter(owner).reenter();
        if (manner == Manner.BorrowsForVictim) {
            IAavePool(victim.lender()).flashLoanSimple(msg.sender, first, 1000, "", 0);
        }
        if (manner == Manner.CallsLoanCallback) {
            victim.executeOperation(first, 1, 0, msg.sender, "");
        }
        address bought = zeroForOne ? token1 : first;
        if (bought.code.length > 0) IToken(bought).mint(to, pays);
        int256 asked = amount;
        if (manner == Manner.AsksLess) asked -= 1;
        if (manner == Manner.AsksMore) asked += 1;
        bool side = manner == Manner.AsksOtherSide ? !zeroForOne : zeroForOne;
        (int256 in0, int256 in1) = side ? (asked, -int256(pays)) : (-int256(pays), asked);
        if (manner == Manner.SendsAccomplice) new Accomplice().ask(victim, in0, in1);
        if (manner != Manner.NeverAsks) victim.uniswapV3SwapCallback(in0, in1, "");
        if (manner == Manner.AsksTwice) victim.uniswapV3SwapCallback(in0, in1, "");
        if (manner == Manner.AnswersShort) {
            assembly {
                return(0, 0x20)
            }
        }
        return zeroForOne ? (amount, -int256(pays)) : (-int256(pays), amount);
    }
}

interface IReenter {
    function reenter() external;
}

/// A lender that misbehaves in one chosen way.
contract HostileLender {
    enum Manner {
        Honest,
        Refuses,
        LendsNothing,
        NamesOther,
        LendsTwice,
        SendsStranger,
        ShiftsParams
    }

    Manner public manner;

    function setManner(Manner manner_) external {
        manner = manner_;
    }

    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16
    ) external {
        if (manner == Manner.Refuses) revert("91");
        if (manner == Manner.LendsNothing) return;
        IToken(asset).mint(receiver, amount);
        address initiator = manner == Manner.NamesOther ? address(this) : msg.sender;
        if (manner == Manner.SendsStranger) {
            new Stranger().lend(receiver, asset, amount, initiator, params);
            return;
        }
        if (manner == Manner.ShiftsParams) shiftParams(receiver, asset, amount, initiator, params);
        IFlashArbitrage(receiver).executeOperation(asset, amount, 0, initiator, params);
        if (manner == Manner.LendsTwice) {
            IToken(asset).mint(receiver, amount);
            IFlashArbitrage(receiver).executeOperation(asset, amount, 0, initiator, params);
        }
        IPull(asset).transferFrom(receiver, address(this), amount);
    }

    /// The same arguments, with one empty word before the params.
    function shiftParams(
        address receiver,
        address asset,
        uint256 amount,
        address initiator,
        bytes calldata params
    ) private {
        bytes memory head = abi.encode(asset, amount, uint256(0), initiator, uint256(0xc0));
        bytes memory call = bytes.concat(
            IFlashArbitrage.executeOperation.selector,
            head,
            bytes32(0),
            bytes32(params.length),
            params
        );
        (bool success, bytes memory answer) = receiver.call(call);
        if (!success) {
            assembly {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}

contract Stranger {
    function lend(
        address receiver,
        address asset,
        uint256 amount,
        address initiator,
        bytes calldata params
    ) external {
        IFlashArbitrage(receiver).executeOperation(asset, amount, 0, initiator, params);
    }
}

interface IPull {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}
