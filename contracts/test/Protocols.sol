// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

import {Test} from "forge-std/Test.sol";
import {
    IAaveConfigurator,
    IAavePool,
    IAaveProvider,
    IAaveRoles,
    IFactoryV2,
    IFactoryV3,
    IFlashArbitrage,
    IPairV2,
    IPoolV3,
    IQuoterV2,
    IToken
} from "./Interfaces.sol";
import {SilentToken} from "./Tokens.sol";

/// The published bytecode of Uniswap V2 and V3 and of Aave V3, deployed and filled.
abstract contract Protocols is Test {
    string private constant MODULES = "../node_modules/";
    string private constant AAVE = "@aave/core-v3/artifacts/contracts/";
    uint256 internal constant PREMIUM_BPS = 5;

    address internal treasury = makeAddr("treasury");
    address internal lender;
    IFactoryV2 internal factoryA;
    IFactoryV2 internal factoryB;
    IFactoryV3 internal factoryV3;
    IQuoterV2 internal quoter;

    address internal usdc;
    address internal weth;
    address internal dai;
    address internal silent;

    mapping(address => bool) internal isPair;

    // ---------------------------------------------------------------- published code

    function published(string memory name) internal view returns (bytes memory) {
        return vm.parseBytes(publishedHex(name));
    }

    function publishedHex(string memory name) private view returns (string memory code) {
        string memory json = vm.readFile(string.concat(MODULES, name, ".json"));
        code = vm.parseJsonString(json, ".bytecode");
        bytes memory raw = bytes(code);
        if (raw[0] != "0" || raw[1] != "x") code = string.concat("0x", code);
    }

    function create(bytes memory code) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        require(made != address(0), "creation failed");
    }

    function create(string memory name, bytes memory arguments) internal returns (address) {
        return create(bytes.concat(published(name), arguments));
    }

    // ---------------------------------------------------------------- tokens, exchanges

    function deployExchanges() internal {
        usdc = mintable("USDC", 6);
        weth = mintable("WETH", 18);
        dai = mintable("DAI", 18);
        silent = address(new SilentToken());
        string memory factory = "@uniswap/v2-core/build/UniswapV2Factory";
        factoryA = IFactoryV2(create(factory, abi.encode(address(this))));
        factoryB = IFactoryV2(create(factory, abi.encode(address(this))));
        factoryV3 = IFactoryV3(
            create("@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory", "")
        );
        quoter = IQuoterV2(
            create(
                "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2",
                abi.encode(factoryV3, weth)
            )
        );
    }

    function mintable(string memory symbol, uint8 decimals) private returns (address) {
        return create(
            string.concat(AAVE, "mocks/tokens/MintableERC20.sol/MintableERC20"),
            abi.encode(symbol, symbol, decimals)
        );
    }

    function addPair(IFactoryV2 factory, address a, uint256 amountA, address b, uint256 amountB)
        internal
        returns (address pair)
    {
        pair = factory.createPair(a, b);
        IToken(a).mint(pair, amountA);
        IToken(b).mint(pair, amountB);
        IPairV2(pair).mint(address(this));
        isPair[pair] = true;
    }

    /// A pool whose price is amountB of b for amountA of a, with this much in three nested ranges.
    function addPool(uint24 fee, address a, uint256 amountA, address b, uint256 amountB)
        internal
        returns (address pool)
    {
        pool = factoryV3.createPool(a, b, fee);
        (uint256 amount0, uint256 amount1) = a < b ? (amountA, amountB) : (amountB, amountA);
        IPoolV3(pool).initialize(uint160(root((amount1 << 96) / amount0) << 48));
        uint128 liquidity = uint128(root(amount0 * amount1));
        addRange(pool, 4000, liquidity);
        addRange(pool, 400, liquidity);
        addRange(pool, 40, liquidity);
    }

    /// Liquidity within so many tick spacings of the price, both ways.
    function addRange(address pool, int24 spacings, uint128 liquidity) internal {
        (, int24 tick,,,,,) = IPoolV3(pool).slot0();
        int24 spacing = IPoolV3(pool).tickSpacing();
        int24 edge = (tick / spacing) * spacing;
        int24 limit = (887272 / spacing) * spacing;
        int24 width = spacings * spacing;
        int24 lower = edge - width > -limit ? edge - width : -limit;
        int24 upper = edge + width < limit ? edge + width : limit;
        IPoolV3(pool).mint(address(this), lower, upper, liquidity, "");
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        IToken(IPoolV3(msg.sender).token0()).mint(msg.sender, owed0);
        IToken(IPoolV3(msg.sender).token1()).mint(msg.sender, owed1);
    }

    function root(uint256 square) private pure returns (uint256 low) {
        uint256 high = 1 << 128;
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (middle * middle <= square) low = middle;
            else high = middle;
        }
    }

    // ---------------------------------------------------------------- lender

    function deployLender() internal {
        IAaveProvider provider = IAaveProvider(
            aave(
                "protocol/configuration/",
                "PoolAddressesProvider",
                abi.encode("test", address(this))
            )
        );
        provider.setACLAdmin(address(this));
        IAaveRoles roles =
            IAaveRoles(aave("protocol/configuration/", "ACLManager", abi.encode(provider)));
        provider.setACLManager(address(roles));
        roles.addPoolAdmin(address(this));
        roles.addRiskAdmin(address(this));
        roles.addAssetListingAdmin(address(this));
        provider.setPriceOracle(aave("mocks/oracle/", "PriceOracle", ""));
        provider.setPoolDataProvider(
            aave("misc/", "AaveProtocolDataProvider", abi.encode(provider))
        );

        deployPoolCode(provider);
        lender = provider.getPool();
        IAaveConfigurator configurator = IAaveConfigurator(provider.getPoolConfigurator());
        listReserves(provider, configurator);
        configurator.updateFlashloanPremiumTotal(uint128(PREMIUM_BPS));
    }

    function deployPoolCode(IAaveProvider provider) private {
        string[7] memory names = [
            "BorrowLogic",
            "SupplyLogic",
            "BridgeLogic",
            "EModeLogic",
            "LiquidationLogic",
            "PoolLogic",
            "ConfiguratorLogic"
        ];
        string memory logic = "protocol/libraries/logic/";
        string memory pool = publishedHex(aaveName("protocol/pool/", "Pool"));
        string memory configurator = publishedHex(aaveName("protocol/pool/", "PoolConfigurator"));
        string memory flashLoan = publishedHex(aaveName(logic, "FlashLoanLogic"));
        for (uint256 i = 0; i < names.length; i++) {
            address library_ = aave(logic, names[i], "");
            pool = linked(pool, names[i], library_);
            configurator = linked(configurator, names[i], library_);
            flashLoan = linked(flashLoan, names[i], library_);
        }
        pool = linked(pool, "FlashLoanLogic", create(vm.parseBytes(flashLoan)));

        address poolCode = create(bytes.concat(vm.parseBytes(pool), abi.encode(provider)));
        IAavePool(poolCode).initialize(address(provider));
        provider.setPoolImpl(poolCode);
        provider.setPoolConfiguratorImpl(create(vm.parseBytes(configurator)));
    }

    function listReserves(IAaveProvider provider, IAaveConfigurator configurator) private {
        address[3] memory assets = [usdc, weth, silent];
        uint8[3] memory decimals = [6, 18, 18];
        address aToken = aave("protocol/tokenization/", "AToken", abi.encode(lender));
        address stable = aave("protocol/tokenization/", "StableDebtToken", abi.encode(lender));
        address variable_ = aave("protocol/tokenization/", "VariableDebtToken", abi.encode(lender));
        uint256 percent = 1e25;
        bytes memory rates = abi.encode(
            provider,
            80 * percent,
            0,
            4 * percent,
            60 * percent,
            0,
            60 * percent,
            percent,
            percent,
            0
        );
        address strategy = aave("protocol/pool/", "DefaultReserveInterestRateStrategy", rates);
        IAaveConfigurator.Reserve[] memory reserves = new IAaveConfigurator.Reserve[](3);
        for (uint256 i = 0; i < 3; i++) {
            reserves[i] = IAaveConfigurator.Reserve(
                aToken,
                stable,
                variable_,
                decimals[i],
                strategy,
                assets[i],
                treasury,
                address(0),
                "a",
                "a",
                "v",
                "v",
                "s",
                "s",
                ""
            );
        }
        configurator.initReserves(reserves);
        for (uint256 i = 0; i < 3; i++) {
            configurator.setReserveFlashLoaning(assets[i], true);
            uint256 amount = 10_000_000 * 10 ** decimals[i];
            IToken(assets[i]).mint(address(this), amount);
            (bool success,) =
                assets[i].call(abi.encodeWithSignature("approve(address,uint256)", lender, amount));
            require(success, "approve");
            IAavePool(lender).supply(assets[i], amount, address(this), 0);
        }
    }

    function aaveName(string memory folder, string memory name)
        private
        pure
        returns (string memory)
    {
        return string.concat(AAVE, folder, name, ".sol/", name);
    }

    function aave(string memory folder, string memory name, bytes memory arguments)
        private
        returns (address)
    {
        return create(aaveName(folder, name), arguments);
    }

    /// solc leaves a hole of forty digits for a library: the hash of its name between dollar signs.
    function linked(string memory code, string memory name, address library_)
        private
        pure
        returns (string memory)
    {
        string memory path =
            string.concat("contracts/protocol/libraries/logic/", name, ".sol:", name);
        bytes memory digest = bytes(vm.toString(keccak256(bytes(path))));
        bytes memory hole = "__$0000000000000000000000000000000000$__";
        for (uint256 i = 0; i < 34; i++) {
            hole[3 + i] = digest[2 + i];
        }
        bytes memory target = bytes(vm.toString(library_));
        bytes memory digits = new bytes(40);
        for (uint256 i = 0; i < 40; i++) {
            digits[i] = target[2 + i];
        }
        return vm.replace(code, string(hole), string(digits));
    }

    // ---------------------------------------------------------------- answers

    function premiumOf(uint256 loan) internal pure returns (uint256) {
        return (loan * PREMIUM_BPS + 5000) / 10_000;
    }

    /// What a path pays out for an amount, by the reserves of pairs and by Uniswap's own quoter.
    /// Pools must differ from each other.
    function quote(address[] memory pools, address token, uint256 amount)
        internal
        returns (uint256)
    {
        for (uint256 i = 0; i < pools.length; i++) {
            bool sellsToken0 = IPoolV3(pools[i]).token0() == token;
            address other = sellsToken0 ? IPoolV3(pools[i]).token1() : IPoolV3(pools[i]).token0();
            if (isPair[pools[i]]) {
                (uint256 reserve0, uint256 reserve1,) = IPairV2(pools[i]).getReserves();
                (uint256 reserveIn, uint256 reserveOut) =
                    sellsToken0 ? (reserve0, reserve1) : (reserve1, reserve0);
                amount = amount * 997 * reserveOut / (reserveIn * 1000 + amount * 997);
            } else {
                uint24 fee = IPoolV3(pools[i]).fee();
                (amount,,,) =
                    quoter.quoteExactInputSingle(IQuoterV2.Question(token, other, amount, fee, 0));
            }
            token = other;
        }
        return amount;
    }

    // ---------------------------------------------------------------- contracts under test

    /// Creation code of the artifact; another one can be put to the same tests by environment.
    function huffCode() internal view returns (bytes memory) {
        string memory committed = "artifacts/FlashArbitrage.json";
        string memory artifact = vm.envOr("FLASH_ARBITRAGE_ARTIFACT", committed);
        return vm.parseJsonBytes(vm.readFile(artifact), ".bytecode");
    }

    function huff(address lender_) internal returns (IFlashArbitrage) {
        return IFlashArbitrage(create(bytes.concat(huffCode(), abi.encode(lender_))));
    }
}
