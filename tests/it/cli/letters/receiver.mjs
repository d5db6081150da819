// Receives letters by SMTP on a free port. Prints one line of JSON, its port, and one for each letter, until its
// standard input ends. With an argument it takes the first so many letters not yet (451).
import { SMTPServer } from 'smtp-server';

let later = Number(process.argv[2] ?? 0);
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData(stream, session, done) {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      if (later > 0) {
        later -= 1;
        done(Object.assign(new Error('not now'), { responseCode: 451 }));
        return;
      }
      const raw = Buffer.concat(parts).toString('utf8');
      const to = session.envelope.rcptTo.map((one) => one.address);
      console.log(JSON.stringify({ from: session.envelope.mailFrom.address, to, raw }));
      done();
    });
  },
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.server.address().port })));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
