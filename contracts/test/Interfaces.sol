// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

interface IFlashArbitrage {
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

    function owner() external view returns (address);
    function lender() external view returns (address);
    function flashloanArbitrage(
        address[] calldata pools,
        uint256[] calldata amounts,
        uint256 minProfit,
        address profitToken,
        address profitRecipient
    ) external;
    function executeOperation(
        address asset,
        uint256 amount,
        uint256 premium,
        address initiator,
        bytes calldata params
    ) external returns (bool);
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data)
        external;
}

interface IToken {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function mint(address account, uint256 amount) external returns (bool);
}

interface IFactoryV2 {
    function createPair(address tokenA, address tokenB) external returns (address);
}

interface IPairV2 {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function mint(address to) external returns (uint256);
    function sync() external;
}

interface IFactoryV3 {
    function createPool(address tokenA, address tokenB, uint24 fee) external returns (address);
}

interface IPoolV3 {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function fee() external view returns (uint24);
    function tickSpacing() external view returns (int24);
    function liquidity() external view returns (uint128);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data)
        external
        returns (uint256, uint256);
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256, int256);
}

interface IQuoterV2 {
    struct Question {
        address tokenIn;
        address tokenOut;
        uint256 amountIn;
        uint24 fee;
        uint160 sqrtPriceLimitX96;
    }

    function quoteExactInputSingle(Question calldata question)
        external
        returns (uint256 amountOut, uint160 sqrtPriceX96After, uint32 ticksCrossed, uint256 gas);
}

interface IAaveProvider {
    function setACLAdmin(address admin) external;
    function setACLManager(address manager) external;
    function setPriceOracle(address oracle) external;
    function setPoolDataProvider(address dataProvider) external;
    function setPoolImpl(address implementation) external;
    function setPoolConfiguratorImpl(address implementation) external;
    function getPool() external view returns (address);
    function getPoolConfigurator() external view returns (address);
}

interface IAaveRoles {
    function addPoolAdmin(address admin) external;
    function addRiskAdmin(address admin) external;
    function addAssetListingAdmin(address admin) external;
}

interface IAavePool {
    function initialize(address provider) external;
    function supply(address asset, uint256 amount, address onBehalfOf, uint16 referral) external;
    function FLASHLOAN_PREMIUM_TOTAL() external view returns (uint128);
    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16 referralCode
    ) external;
}

interface IAaveConfigurator {
    struct Reserve {
        address aToken;
        address stableDebtToken;
        address variableDebtToken;
        uint8 decimals;
        address rateStrategy;
        address asset;
        address treasury;
        address incentives;
        string aTokenName;
        string aTokenSymbol;
        string variableDebtName;
        string variableDebtSymbol;
        string stableDebtName;
        string stableDebtSymbol;
        bytes params;
    }

    function initReserves(Reserve[] calldata reserves) external;
    function setReserveFlashLoaning(address asset, bool enabled) external;
    function updateFlashloanPremiumTotal(uint128 premium) external;
}
