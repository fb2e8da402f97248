/** A service, a server, a client over TCP. Run it: `npx tsx examples/hello.ts` */
import { connect, defineService, implement, isRpcError, listen, method } from 'statewire';
import { tcp } from 'statewire/tcp';

const Greeter = defineService('Greeter', {
  hello: method<{ name: string }, string, { code: 'nobody' }>({ idem: true }),
});

const greeter = implement(Greeter, {
  hello({ name }, call) {
    if (name === '') return call.fail({ code: 'nobody' });
    return `Hello, ${name}!`;
  },
});

const server = await listen(tcp({ port: 0 }), { services: [greeter] });
const session = await connect(tcp(server.address));
const client = session.client(Greeter);

console.log(await client.hello({ name: 'Ada' }));

try {
  await client.hello({ name: '' });
} catch (error) {
  if (!isRpcError(error, Greeter.methods.hello)) throw error;
  console.log(`refused: ${error.data?.code}`);
}

await session.close();
await server.close();
