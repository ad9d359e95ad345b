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

/// A token that answers one word of its owner's choice to some callers and moves nothing for them.
contract MoodyToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bytes) private moods;

    function setMood(address caller, bytes calldata answer) external {
        moods[caller] = answer;
    }

    function mint(address account, uint256 amount) external returns (bool) {
        balanceOf[account] += amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        answerInMood();
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        answerInMood();
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
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
