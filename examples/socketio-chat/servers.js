// Starts a server on each of these ports: `servers.js 9001 9002 9003`.

const { spawn } = require('node:child_process');
const path = require('node:path');

for (const [index, port] of process.argv.slice(2).entries()) {
  const program = path.join(__dirname, 'server.js');
  const child = spawn(process.execPath, [program, `s${index + 1}`, port], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.on('exit', (code) => process.exit(code ?? 1));
}
