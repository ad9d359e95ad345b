#!/usr/bin/env node
// Stands in for a native solc where forge expects one: npm's compiler is a library, not a program.
// Answers the two questions forge asks, `--version` and `--standard-json`, and refuses the rest.
'use strict';

const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

const PACKAGE = dirname(require.resolve('solc/package.json', { paths: [__dirname] }));

// Loading the compiler takes half a second and forge asks for the version before every build,
// so the answer is kept beside the build cache, under the name of the installed package.
function versionLine() {
  const installed = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')).version;
  const kept = join(__dirname, '..', 'cache', `solc-${installed}.txt`);
  try {
    return readFileSync(kept, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  // forge reads the platform from the version and knows no emscripten
  const line = require(PACKAGE).version().replace('Emscripten.clang', 'Linux.g++');
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(`${kept}.${process.pid}`, line);
  renameSync(`${kept}.${process.pid}`, kept);
  return line;
}

function compileStandardInput() {
  // by its number: touching process.stdin makes it non-blocking, and a large request then fails
  const request = readFileSync(0, 'utf8');
  const readImport = (path) => {
    try {
      return { contents: readFileSync(path, 'utf8') };
    } catch (error) {
      return { error: error.message };
    }
  };
  return require(PACKAGE).compile(request, { import: readImport });
}

function main(flags) {
  if (flags.includes('--version')) {
    console.log(`solc, the solidity compiler commandline interface\nVersion: ${versionLine()}`);
    return 0;
  }
  if (flags.includes('--standard-json')) {
    process.stdout.write(compileStandardInput());
    return 0;
  }
  console.error(`solc-wrapper: answers --version and --standard-json, was asked ${flags.join(' ')}`);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
