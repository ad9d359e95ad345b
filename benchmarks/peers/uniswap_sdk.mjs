// Worker: Uniswap's own v3-sdk, pools built from values. Speaks the lines of line.py; whole numbers arrive and leave as text.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { CurrencyAmount, Token } = require("@uniswap/sdk-core");
const { Pool, Tick, TickListDataProvider } = require("@uniswap/v3-sdk");

const manifest = new URL("node_modules/@uniswap/v3-sdk/package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(manifest, "utf8"));

const CHAIN_ID = 1;
const pools = new Map();

const operations = {
  hello: () => `v3-sdk ${version}, node ${process.versions.node}`,

  pools: ({ pools: records }) => {
    for (const record of records) {
      const tokens = [record.token0, record.token1].map((address) => new Token(CHAIN_ID, address, 18));
      const ticks = record.ticks.map(
        ([index, liquidityGross, liquidityNet]) =>
          new Tick({ index: Number(index), liquidityGross, liquidityNet }),
      );
      const spacing = Number(record.spacing);
      const pool = new Pool(
        ...tokens,
        Number(record.fee),
        record.sqrt_price,
        record.liquidity,
        Number(record.tick),
        new TickListDataProvider(ticks, spacing),
      );
      if (pool.tickSpacing !== spacing) throw new Error(`spacing ${pool.tickSpacing}, not ${spacing}`);
      pools.set(record.id, { pool, tokens });
    }
    return pools.size;
  },

  quote: async ({ asks }) => {
    const found = [];
    for (const ask of asks) found.push((await output(...prepared(ask))).toString());
    return found;
  },

  time_quote: async ({ ask, budget_ms: budget }) => {
    const question = prepared(ask);
    let begin = process.hrtime.bigint();
    await output(...question);
    const once = Number(process.hrtime.bigint() - begin);
    const repeats = Math.min(100_000, Math.max(1, Math.floor((Number(budget) * 1e6) / once)));
    begin = process.hrtime.bigint();
    for (let index = 0; index < repeats; index += 1) await output(...question);
    return Number(process.hrtime.bigint() - begin) / repeats;
  },
};

function prepared([identity, zeroForOne, amount]) {
  const { pool, tokens } = pools.get(identity);
  return [pool, CurrencyAmount.fromRawAmount(tokens[zeroForOne ? 0 : 1], amount)];
}

async function output(pool, amount) {
  const [paid] = await pool.getOutputAmount(amount);
  return paid.quotient;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { answer: await operations[name](request) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
