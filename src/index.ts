export { definitions, passwordHash, type UserPlan } from './definitions.js'
export * from './errors.js'
export {
  defineTask,
  type RetryPolicy,
  type Task,
  type TaskInput,
  type TaskOptions,
  type TaskOutput,
} from './task.js'
export {
  type BindingPlan,
  type ExchangePlan,
  type OperatorPlan,
  type PolicyPlan,
  planOperator,
  planService,
  type QueuePlan,
  type QueueType,
  type Retention,
  type ServicePlan,
} from './topology.js'
