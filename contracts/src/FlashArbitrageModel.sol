// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface ILender {
    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16 referralCode
    ) external;
}

interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
}

interface IPairV2 {
    function getReserves() external view returns (uint112, uint112, uint32);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IPoolV3 {
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256 amount0, int256 amount1);
}

/// @notice The meaning of FlashArbitrage.huff in plain Solidity: its oracle in tests and its
/// yardstick for gas. Never deployed for trading.
contract FlashArbitrageModel {
    error NotOwner();
    error Reentered();
    error BadInput();
    error BadCallback();
    error NoLoan();
    error BadPool();
    error BadPath();
    error PartialFill();
    error TokenRefused();
    error InsufficientProfit(uint256 balance, uint256 required);

    /// The state of a run. Transient: all zero before and after.
    uint256 private constant STAGE = 0;
    uint256 private constant CALLEE = 1;
    uint256 private constant PAY_TOKEN = 2;
    uint256 private constant PAY_AMOUNT = 3;

    uint256 private constant STAGE_ASKED = 1;
    uint256 private constant STAGE_WALKING = 2;

    uint256 private constant MAX_POOLS = 8;
    uint160 private constant LOWEST_SQRT_PRICE = 4295128740;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970341;

    struct Step {
        address pool;
        address token;
        address nextToken;
        uint256 sold;
        bool zeroForOne;
    }

    address public immutable owner;
    address public immutable lender;

    constructor(address lender_) {
        require(lender_ != address(0));
        owner = msg.sender;
        lender = lender_;
    }

    function flashloanArbitrage(
        address[] calldata pools,
        uint256[] calldata amounts,
        uint256 minProfit,
        address profitToken,
        address profitRecipient
    ) external {
        if (msg.sender != owner) revert NotOwner();
        if (load(STAGE) != 0) revert Reentered();
        bool isPossible = pools.length > 0 && pools.length <= MAX_POOLS
            && pools.length == amounts.length && amounts[0] != 0 && fits(amounts[0])
            && minProfit != 0 && fits(minProfit) && profitRecipient != address(0)
            && profitRecipient != address(this);
        if (!isPossible) revert BadInput();

        store(STAGE, STAGE_ASKED);
        bytes memory params = abi.encode(pools, amounts, minProfit, profitRecipient);
        ILender(lender).flashLoanSimple(address(this), profitToken, amounts[0], params, 0);
        if (load(STAGE) != STAGE_WALKING) revert NoLoan();
        store(STAGE, 0);
        store(PAY_TOKEN, 0);
        store(PAY_AMOUNT, 0);
    }

    function executeOperation(
        address asset,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata params
    ) external returns (bool) {
        bool isAuthentic = load(STAGE) == STAGE_ASKED && msg.sender == lender
            && initiator == address(this);
        if (!isAuthentic) revert BadCallback();
        store(STAGE, STAGE_WALKING);

        (address[] memory pools, uint256[] memory amounts, uint256 minProfit, address recipient) =
            abi.decode(params, (address[], uint256[], uint256, address));
        walk(asset, amount, pools, amounts, recipient);
        settle(asset, amount + premium, minProfit, recipient);
        return true;
    }

    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata)
        external
    {
        if (msg.sender != address(uint160(load(CALLEE)))) revert BadCallback();
        store(CALLEE, 0);
        uint256 asked = uint256(amount0Delta > 0 ? amount0Delta : amount1Delta);
        if (asked != load(PAY_AMOUNT)) revert PartialFill();
        transfer(address(uint160(load(PAY_TOKEN))), msg.sender, asked);
    }

    function walk(
        address asset,
        uint256 held,
        address[] memory pools,
        uint256[] memory amounts,
        address recipient
    ) private {
        Step memory step;
        step.token = asset;
        for (uint256 i = 0; i < pools.length; i++) {
            step.pool = pools[i];
            step.sold = amounts[i] == 0 ? held : amounts[i];
            if (!fits(step.sold)) revert BadInput();
            if (held > step.sold && step.token != asset) {
                transfer(step.token, recipient, held - step.sold);
            }
            findDirection(step);
            (bool isPair, uint256 reserve0, uint256 reserve1) = reservesOf(step.pool);
            held = isPair ? sellToPair(step, reserve0, reserve1) : sellToPool(step);
            step.token = step.nextToken;
        }
        if (step.token != asset) revert BadPath();
    }

    function findDirection(Step memory step) private view {
        address token0 = IPool(step.pool).token0();
        address token1 = IPool(step.pool).token1();
        step.zeroForOne = step.token == token0;
        if (!step.zeroForOne && step.token != token1) revert BadPath();
        step.nextToken = step.zeroForOne ? token1 : token0;
    }

    function reservesOf(address pool)
        private
        view
        returns (bool isPair, uint256 reserve0, uint256 reserve1)
    {
        (bool success, bytes memory answer) =
            pool.staticcall(abi.encodeCall(IPairV2.getReserves, ()));
        isPair = success && answer.length == 96;
        if (isPair) (reserve0, reserve1,) = abi.decode(answer, (uint112, uint112, uint32));
    }

    function sellToPair(Step memory step, uint256 reserve0, uint256 reserve1)
        private
        returns (uint256 out)
    {
        (uint256 reserveIn, uint256 reserveOut) =
            step.zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 afterFee = step.sold * 997;
        out = afterFee * reserveOut / (reserveIn * 1000 + afterFee);
        transfer(step.token, step.pool, step.sold);
        (uint256 out0, uint256 out1) = step.zeroForOne ? (uint256(0), out) : (out, 0);
        IPairV2(step.pool).swap(out0, out1, address(this), "");
    }

    function sellToPool(Step memory step) private returns (uint256 out) {
        store(CALLEE, uint160(step.pool));
        store(PAY_TOKEN, uint160(step.token));
        store(PAY_AMOUNT, step.sold);
        uint160 limit = step.zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE;
        (int256 amount0, int256 amount1) =
            IPoolV3(step.pool).swap(address(this), step.zeroForOne, int256(step.sold), limit, "");
        if (load(CALLEE) != 0) revert BadPool();
        unchecked {
            out = uint256(-(step.zeroForOne ? amount1 : amount0));
        }
    }

    function settle(address token, uint256 owed, uint256 minProfit, address recipient) private {
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance < owed + minProfit) revert InsufficientProfit(balance, owed + minProfit);
        callToken(token, abi.encodeCall(IERC20.approve, (msg.sender, owed)));
        transfer(token, recipient, balance - owed);
    }

    function transfer(address token, address to, uint256 amount) private {
        callToken(token, abi.encodeCall(IERC20.transfer, (to, amount)));
    }

    /// Accepts the word true, or silence from an address that has code.
    function callToken(address token, bytes memory call) private {
        (bool success, bytes memory answer) = token.call(call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        bool isFine = answer.length == 0
            ? token.code.length > 0
            : answer.length >= 32 && abi.decode(answer, (uint256)) == 1;
        if (!isFine) revert TokenRefused();
    }

    function fits(uint256 amount) private pure returns (bool) {
        return amount <= type(uint128).max;
    }

    function load(uint256 slot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := tload(slot)
        }
    }

    function store(uint256 slot, uint256 word) private {
        assembly ("memory-safe") {
            tstore(slot, word)
        }
    }
}
