/** Sound that plays or is recorded. */
export interface Listening {
  /** Samples a second of what `onSound` gets. */
  readonly sampleRate: number;
  stop(): void;
}

export interface ListenOptions {
  /** Gets sound of one channel as it is played or recorded. */
  readonly onSound: (samples: Float32Array) => void;
  /** Called when a file is over. */
  readonly onEnd: () => void;
}

/** Rate of the recogniser: browsers resample files to it. */
const SAMPLE_RATE = 16_000;

/** Plays a file of any format that the browser knows, and hands on its sound at the pace of its playing. */
export async function playFile(file: ArrayBuffer, { onSound, onEnd }: ListenOptions): Promise<Listening> {
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  try {
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(file);
    source.connect(context.destination);
    await connectTap(context, source, onSound);
    source.onended = () => {
      void context.close();
      onEnd();
    };
    source.start();
    await context.resume();
    return { sampleRate: context.sampleRate, stop: () => source.stop() };
  } catch (error) {
    await context.close();
    throw error;
  }
}

/** Records from the microphone at its own rate, which not all browsers resample. */
export async function listenToMicrophone({ onSound, onEnd }: ListenOptions): Promise<Listening> {
  const { mediaDevices }: { mediaDevices?: MediaDevices } = navigator;
  if (!mediaDevices) throw new Error('a page can listen only over a secure connection');
  const stream = await mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  await connectTap(context, context.createMediaStreamSource(stream), onSound);
  await context.resume();
  const stop = (): void => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
    onEnd();
  };
  return { sampleRate: context.sampleRate, stop };
}

/** Samples of a piece where the audio thread runs no programs: 16 ms at 16 kHz. */
const PIECE = 256;

/** Hands on what a source plays, from the audio thread where it can run programs. */
async function connectTap(
  context: AudioContext,
  source: AudioNode,
  onSound: (samples: Float32Array) => void,
): Promise<void> {
  const { audioWorklet }: { audioWorklet?: AudioWorklet } = context;
  if (audioWorklet) {
    await audioWorklet.addModule('tap.js');
    const tap = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }: MessageEvent<Float32Array>) => onSound(data);
    source.connect(tap);
    return;
  }
  const tap = context.createScriptProcessor(PIECE, 1, 1);
  tap.onaudioprocess = ({ inputBuffer }) => onSound(inputBuffer.getChannelData(0).slice());
  source.connect(tap);
  // It runs only where its output, which is silent, is heard.
  tap.connect(context.destination);
}
