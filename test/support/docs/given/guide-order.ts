export { defineTask } from 'warren'
export { z } from 'zod'
