/** What `protoc-gen-es` would have generated for the Connect peer, from a file descriptor written out by hand: no compiler is needed to build the bench. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { Message } from '@bufbuild/protobuf';
import { fileDesc, messageDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import type { GenMessage, GenService } from '@bufbuild/protobuf/codegenv2';
import { base64Encode } from '@bufbuild/protobuf/wire';
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

const PACKAGE = 'bench';

type SmallMessage = Message<'bench.Small'> & { id: number; name: string; tags: string[] };
type BlobMessage = Message<'bench.Blob'> & { bytes: Uint8Array };
type BlobReceiptMessage = Message<'bench.BlobReceipt'> & { bytes: number; probe: number };
type CountMessage = Message<'bench.Count'> & { count: number };
/** A sum outgrows an int32; as a double it is what JavaScript counts with. */
type StreamReceiptMessage = Message<'bench.StreamReceipt'> & { items: number; sum: number };
type EmptyMessage = Message<'bench.Empty'>;

const MESSAGES = {
  Small: [field('id', Type.INT32), field('name', Type.STRING), field('tags', Type.STRING, Label.REPEATED)],
  Blob: [field('bytes', Type.BYTES)],
  BlobReceipt: [field('bytes', Type.INT32), field('probe', Type.INT32)],
  Count: [field('count', Type.INT32)],
  StreamReceipt: [field('items', Type.INT32), field('sum', Type.DOUBLE)],
  Empty: [],
} as const;

type MessageName = keyof typeof MESSAGES;

const METHODS = [
  method('Echo', 'Small', 'Small'),
  method('Blob', 'Blob', 'BlobReceipt'),
  method('Hold', 'Small', 'Small'),
  method('LetGo', 'Empty', 'Empty'),
  method('Download', 'Count', 'Small', { serverStreaming: true }),
  method('Upload', 'Small', 'StreamReceipt', { clientStreaming: true }),
];

function field(name: string, type: Type, label = Label.OPTIONAL) {
  return { name, type, label };
}

function method(name: string, input: MessageName, output: MessageName, streaming = {}) {
  return { name, inputType: `.${PACKAGE}.${input}`, outputType: `.${PACKAGE}.${output}`, ...streaming };
}

const names = Object.keys(MESSAGES) as MessageName[];

const file = fileDesc(
  base64Encode(
    toBinary(
      FileDescriptorProtoSchema,
      create(FileDescriptorProtoSchema, {
        name: 'bench.proto',
        package: PACKAGE,
        syntax: 'proto3',
        messageType: names.map((name) => ({ name, field: MESSAGES[name].map((each, index) => ({ ...each, number: index + 1 })) })),
        service: [{ name: 'Bench', method: METHODS }],
      }),
    ),
  ),
);

export const BenchService: GenService<{
  echo: { methodKind: 'unary'; input: GenMessage<SmallMessage>; output: GenMessage<SmallMessage> };
  blob: { methodKind: 'unary'; input: GenMessage<BlobMessage>; output: GenMessage<BlobReceiptMessage> };
  hold: { methodKind: 'unary'; input: GenMessage<SmallMessage>; output: GenMessage<SmallMessage> };
  letGo: { methodKind: 'unary'; input: GenMessage<EmptyMessage>; output: GenMessage<EmptyMessage> };
  download: { methodKind: 'server_streaming'; input: GenMessage<CountMessage>; output: GenMessage<SmallMessage> };
  upload: { methodKind: 'client_streaming'; input: GenMessage<SmallMessage>; output: GenMessage<StreamReceiptMessage> };
}> = serviceDesc(file, 0);

export const SmallSchema: GenMessage<SmallMessage> = messageDesc(file, names.indexOf('Small'));
