declare module '*?worker' {
  const WorkerOf: new () => Worker;
  export default WorkerOf;
}
