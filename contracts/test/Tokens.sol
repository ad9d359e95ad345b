// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// A token as some large ones are: transfer and approve return nothing, and an allowance can only
/// be set from zero.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address account, uint256 amount) external returns (bool) {
        balanceOf[account] += amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external virtual {
        require(amount == 0 || allowance[msg.sender][spender] == 0, "approve from zero");
        allowance[msg.sender][spender] = amount;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// A token that answers some callers with bytes chosen beforehand and moves nothing for them, or
/// will not say the balance of some accounts.
contract MoodyToken {
    error Grudge(uint256 because);

    mapping(address => uint256) private balances;
    mapping(address => bool) private isSecret;
    mapping(address => bool) private isHalfSaid;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bytes) private moods;

    function setMood(address caller, bytes calldata answer) external {
        moods[caller] = answer;
    }

    function hideBalance(address account, bool byRevert) external {
        isSecret[account] = byRevert;
        isHalfSaid[account] = !byRevert;
    }

    function balanceOf(address account) external view returns (uint256) {
        if (isSecret[account]) revert Grudge(7);
        if (isHalfSaid[account]) {
            assembly {
                mstore(0, not(0))
                return(0, 0x1f)
            }
        }
        return balances[account];
    }

    function mint(address account, uint256 amount) external returns (bool) {
        balances[account] += amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        answerInMood();
        balances[msg.sender] -= amount;
        balances[to] += amount;
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        answerInMood();
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balances[from] -= amount;
        balances[to] += amount;
        return true;
    }

    function answerInMood() private view {
        bytes memory answer = moods[msg.sender];
        if (answer.length > 0) {
            assembly {
                return(add(answer, 0x20), mload(answer))
            }
        }
    }
}
