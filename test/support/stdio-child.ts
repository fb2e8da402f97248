/** A process at the other end of a stdio link: it echoes every payload, and closes when it gets an empty one. Run by test/transports/stdio.test.ts. */
import { stdio } from '../../src/tcp.ts';

await stdio(process.stdin, process.stdout).listen((link) => {
  link.open({
    message(payload) {
      if (payload.byteLength === 0) link.close();
      else link.send(payload);
    },
    drain() {},
    close(error) {
      // An exit code that the test looks at.
      if (error !== undefined) process.exitCode = 1;
    },
  });
});
